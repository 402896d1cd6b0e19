"""The files of one cluster: its locks, its creation, and what a killed server or a reboot has left."""

import fcntl
import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Self

from devtools.embedded_postgres.programs import EmbeddedPostgresError, Identity, Installation, run

SOCKET_FOLDER_PREFIX = "embedded-postgres-"
_INITDB_SECONDS = 120
_PROCESSES = Path("/proc")  # Linux
_LOCALES = ("C.UTF-8", "C")  # the first one is missing on old systems


class LockFile:
    """An advisory lock (flock) on a file, created when missing and never removed; programs started do not inherit it.

    The kernel releases it when its process ends, however that ends. OSError is raised where the file cannot be opened
    or, when the lock is taken, its file system has no locks.
    """

    def __init__(self, path: Path) -> None:
        self._descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)

    def try_acquire(self, *, shared: bool = False) -> bool:
        """Take the lock unless another process stands in the way; return True where that worked."""
        try:
            fcntl.flock(self._descriptor, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    def release(self) -> None:
        """Give the lock up, keeping the file open."""
        fcntl.flock(self._descriptor, fcntl.LOCK_UN)

    def fileno(self) -> int:
        """Return the descriptor, for a child that is to own the lock together with this process."""
        return self._descriptor

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Close the file. A child that was given the descriptor still holds the lock."""
        os.close(self._descriptor)


class Cluster:
    """The folder `postgres-<major>` and what is in it.

    Attributes:
        home: That folder. It belongs to the caller.
        data: PostgreSQL's data folder in it, which belongs to the server's user. When it exists, it is complete.
        log: The output of the server and its keeper, since the server's start.
        state: The note of the folder of the server's socket.
        clients, server: The locks that `server.py` explains.
    """

    def __init__(self, home: Path) -> None:
        self.home, self.data, self.log, self.state = home, home / "data", home / "server.log", home / "server.state"
        self.clients, self.server = home / "clients.lock", home / "server.lock"
        self._postmaster_file = self.data / "postmaster.pid"

    def socket_folder(self) -> Path | None:
        """Return the folder of the socket of a server that runs, or ran until it was killed."""
        with suppress(OSError):
            folder = Path(self.state.read_text(encoding="utf-8"))
            return folder if folder.name.startswith(SOCKET_FOLDER_PREFIX) else None
        return None

    def is_ready(self) -> bool:
        """Return True where PostgreSQL notes that it accepts connections, as it did when it was killed."""
        return [line.strip() for line in self._notes()[7:8]] == ["ready"]

    def create_data(self, installation: Installation, identity: Identity) -> None:
        """Create the data folder unless it exists, under the server lock; EmbeddedPostgresError where initdb fails.

        It is created beside its place and renamed, so that an initdb that is killed or fails leaves nothing that looks
        like data; its remains go with the next start.
        """
        for remains in self.home.glob("data.new-*"):
            shutil.rmtree(remains, ignore_errors=True)
        if self.data.exists():
            return
        building = self.home / f"data.new-{secrets.token_hex(4)}"
        try:
            building.mkdir(mode=0o700)
            os.chown(building, identity.uid, identity.gid)
            _initdb(building, installation, identity)
            building.rename(self.data)
        finally:
            shutil.rmtree(building, ignore_errors=True)

    def clear_leftovers(self) -> None:
        """Remove what a killed server has left. The server lock must be held: no process of such a server is alive.

        A PID in a file proves nothing: after a reboot it is another program's, and PostgreSQL would refuse to start.
        (On Linux alone this can be seen.) A server that is alive, of another program's, is PostgreSQL's to refuse.
        """
        if folder := self.socket_folder():
            shutil.rmtree(folder, ignore_errors=True)
        self.state.unlink(missing_ok=True)
        with suppress(OSError, ValueError, IndexError):
            if b"postgres" not in (_PROCESSES / f"{int(self._notes()[0])}/cmdline").read_bytes():
                self._postmaster_file.unlink()

    def _notes(self) -> list[str]:
        """Return PostgreSQL's lines about its process: the first is its PID, the eighth its status."""
        with suppress(OSError):
            return self._postmaster_file.read_text(encoding="utf-8", errors="replace").splitlines()
        return []


@contextmanager
def reachable(folder: Path) -> Iterator[tuple[str, tuple[int, ...]]]:
    """Yield a path to `folder` that its owner can use, with the descriptors to hand to its program.

    The folder may lie below one that its owner may not enter (/root), or at a path longer than PostgreSQL's limit of
    1024 bytes. On Linux a descriptor of the folder gets around both, and no folder's permissions need to be changed:
    opening it through /proc asks for permission on the folder itself only.
    """
    if not _PROCESSES.is_dir():
        yield str(folder), ()
        return
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield f"/proc/self/fd/{descriptor}", (descriptor,)
    finally:
        os.close(descriptor)


def _initdb(data: Path, installation: Installation, identity: Identity) -> None:
    said = ""
    for locale in _LOCALES:
        with reachable(data) as (path, descriptors):
            options = ("-D", path, "-U", "postgres", "-A", "trust", "-E", "UTF8", "--no-sync", f"--locale={locale}")
            command = (installation.bin_folder / "initdb", *options, "--no-instructions")
            done = run(command, identity, descriptors=descriptors, seconds=_INITDB_SECONDS)
        if done.returncode == 0:
            return
        said = done.stderr.strip()
        if "invalid locale" not in said:
            break
    raise EmbeddedPostgresError(
        f"PostgreSQL's initdb failed: {' '.join(said.splitlines()[-3:])}",
        next_step="Remove the cause named there, or set DATABASE_URL to another server.",
    )
