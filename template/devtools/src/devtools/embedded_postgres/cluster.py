"""The files of one cluster: their places, their creation, and what a killed server or a reboot has left of them."""

import os
import secrets
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from devtools.embedded_postgres.programs import EmbeddedPostgresError, Identity, Installation, run

# Isolated and without site-packages, for speed: it imports the standard library alone.
KEEPER = (sys.executable, "-I", "-S", Path(__file__).with_name("keeper.py").absolute())
SOCKET_FOLDER_PREFIX = "embedded-postgres-"
_INITDB_SECONDS = 120
_PROCESSES = Path("/proc")  # Linux
_LOCALES = ("C.UTF-8", "C")  # the first one is missing on old systems
# Seconds for a fast shutdown, an immediate one, and the kernel's end of it.
_STOP_SIGNALS = ((signal.SIGINT, 15.0), (signal.SIGQUIT, 5.0), (signal.SIGKILL, 5.0))


@dataclass(frozen=True)
class Cluster:
    """The folder `postgres-<major>` and what is in it.

    Attributes:
        home: That folder. It belongs to the caller; `data` in it belongs to the server's user.
    """

    home: Path

    @property
    def data(self) -> Path:
        """PostgreSQL's data folder. When it exists, it is complete."""
        return self.home / "data"

    @property
    def postmaster_file(self) -> Path:
        """PostgreSQL's own note of its process and its status."""
        return self.data / "postmaster.pid"

    @property
    def log(self) -> Path:
        """The output of the server and its keeper, since the server's start."""
        return self.home / "server.log"

    @property
    def state(self) -> Path:
        """The keeper's note: the socket folder and, once the server is ready, the two PIDs."""
        return self.home / "server.state"

    @property
    def mark(self) -> str:
        """A setting that names the data folder on its server's command line, wherever it is moved to.

        The path will not do: the server is started with a path below /proc (see `reachable`).
        """
        status = self.data.stat()
        return f"embedded_postgres.cluster={status.st_dev}:{status.st_ino}"

    def lock(self, name: str) -> Path:
        """Return the file of one of the locks that `server.py` explains."""
        return self.home / f"{name}.lock"

    def create_data(self, installation: Installation, identity: Identity) -> None:
        """Create the data folder unless it exists. The start lock must be held.

        It is created beside its place and renamed, so that an initdb that is killed or fails
        leaves nothing that looks like data; its remains go with the next start.

        Raises:
            EmbeddedPostgresError: initdb failed.
            OSError: The folder cannot be made.
        """
        for remains in self.home.glob("data.new-*"):
            shutil.rmtree(remains, ignore_errors=True)
        if self.data.exists():
            return
        building = self.home / f"data.new-{secrets.token_hex(4)}"
        try:
            building.mkdir(mode=0o700)
            if identity.switched:
                os.chown(building, identity.uid, identity.gid)
            _initdb(building, installation, identity)
            building.rename(self.data)
        finally:
            shutil.rmtree(building, ignore_errors=True)

    def clear_leftovers(self) -> None:
        """Stop an orphaned server of this cluster and remove stale files. The data stay as they are.

        The keeper's lock must be held: then no keeper is alive, and all that is there is a leftover. A PID on its own
        proves nothing, since after a reboot or a while it is another program's.

        Raises:
            EmbeddedPostgresError: Another server runs on this data folder.
        """
        with suppress(OSError, IndexError):
            recorded = Path(self.state.read_text(encoding="utf-8").splitlines()[0])
            if recorded.name.startswith(SOCKET_FOLDER_PREFIX):
                shutil.rmtree(recorded)
        self.state.unlink(missing_ok=True)
        try:
            pid = int(self.postmaster_file.read_text(encoding="utf-8", errors="replace").splitlines()[0])
        except (OSError, ValueError, IndexError):
            return
        for number, patience in _STOP_SIGNALS:
            deadline = time.monotonic() + patience
            while self.mark in (command := _command_line(pid)) and time.monotonic() < deadline:
                with suppress(ProcessLookupError):
                    os.kill(pid, number)
                time.sleep(0.02)
        if "postgres" in command and _works_in(pid, self.data):
            raise EmbeddedPostgresError(
                f"Another PostgreSQL server (process {pid}) runs on {self.data}.", next_step=f"Stop it: kill -INT {pid}"
            )
        # PostgreSQL refuses to start when the PID in there is alive, whichever program it is.
        self.postmaster_file.unlink(missing_ok=True)


def majors_with_data(folder: Path) -> frozenset[int]:
    """Return the major versions of PostgreSQL whose data a project's folder holds."""
    found = set()
    for home in folder.glob("postgres-*"):
        major = home.name.removeprefix("postgres-")
        with suppress(OSError):  # another user's, which is refused later and by name
            if major.isdecimal() and (home / "data").is_dir():
                found.add(int(major))
    return frozenset(found)


@contextmanager
def reachable(folder: Path) -> Iterator[tuple[str, tuple[int, ...]]]:
    """Yield a path to `folder` that its owner can use, with the descriptors to hand to its program.

    The folder may lie below one that its owner may not enter (/root), or at a path longer than
    PostgreSQL's limit of 1024 bytes. On Linux a descriptor of the folder gets around both, and no
    folder's permissions need to be changed: opening it through /proc asks for permission on the
    folder itself only. (Its current folder would do, too, but PostgreSQL 15 leaves that on start.)
    """
    if not _PROCESSES.is_dir():
        yield str(folder), ()
        return
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield f"/proc/self/fd/{descriptor}", (descriptor,)
    finally:
        os.close(descriptor)


def switch_arguments(identity: Identity) -> tuple[str, str]:
    """Return the two numbers of the user that `keeper.py` becomes, or -1 to stay as it is."""
    return (str(identity.uid), str(identity.gid)) if identity.switched else ("-1", "-1")


def _initdb(data: Path, installation: Installation, identity: Identity) -> None:
    output = ""
    for locale in _LOCALES:
        with reachable(data) as (path, descriptors):
            options = ("-D", path, "-U", "postgres", "-A", "trust", "-E", "UTF8", "--no-sync")
            done = run(
                [
                    # Through the keeper's script, so that a killed client takes initdb with it.
                    *(*KEEPER, "become", *switch_arguments(identity), str(os.getpid())),
                    *(installation.bin_folder / "initdb", *options, f"--locale={locale}", "--no-instructions"),
                ],
                descriptors=descriptors,
                seconds=_INITDB_SECONDS,
            )
        if done.returncode == 0:
            return
        output = done.stderr.strip()
        if "invalid locale" not in output:
            break
    raise EmbeddedPostgresError(
        f"PostgreSQL's initdb failed: {' '.join(output.splitlines()[-3:])}",
        next_step="Remove the cause named there, or set DATABASE_URL to another server.",
    )


def _command_line(pid: int) -> str:
    """Return the command line of a process, empty when there is no such process."""
    if _PROCESSES.is_dir():
        try:
            return (_PROCESSES / f"{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode("utf-8", "replace")
        except OSError:
            return ""
    shown = ["/bin/ps", "-ww", "-o", "command=", "-p", str(pid)]
    return subprocess.run(shown, capture_output=True, text=True, timeout=10, check=False).stdout


def _works_in(pid: int, folder: Path) -> bool:
    """Return whether a process has `folder` as its current folder, as far as this can be seen.

    In a container without CAP_SYS_PTRACE root may not look at another user's process.
    """
    try:
        return os.path.samestat((_PROCESSES / f"{pid}/cwd").stat(), folder.stat())
    except OSError:
        return False
