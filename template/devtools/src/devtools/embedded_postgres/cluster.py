"""The files of one cluster: where they are, whose they are, how they are created."""

import errno
import os
import secrets
import shutil
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from devtools.embedded_postgres.binaries import Installation
from devtools.embedded_postgres.errors import (
    EmbeddedPostgresError,
    full_disk,
    is_full_disk,
)
from devtools.embedded_postgres.processes import KEEPER, Identity, run

# Bytes. A new cluster of PostgreSQL 18 takes 39 MB and its first write-ahead logs 32 MB more.
SPACE_FOR_NEW = 128 * 1024**2
SPACE_FOR_START = 32 * 1024**2
_INITDB_SECONDS = 120
_DESCRIPTORS = Path("/proc/self/fd")  # Linux
_LOCALES = ("C.UTF-8", "C")  # the first one is missing on old systems


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
        """What the server and its keeper say, since the server's start."""
        return self.home / "server.log"

    @property
    def state(self) -> Path:
        """The keeper's note: the socket folder and, once the server is ready, the two PIDs."""
        return self.home / "server.state"

    @property
    def start_lock(self) -> Path:
        """Held exclusively while somebody joins or leaves."""
        return self.home / "start.lock"

    @property
    def clients_lock(self) -> Path:
        """Held by every user of the server, shared; by the keeper that stops it, exclusively."""
        return self.home / "clients.lock"

    @property
    def keeper_lock(self) -> Path:
        """Held exclusively by the keeper for as long as it lives."""
        return self.home / "keeper.lock"

    def prepare(self, identity: Identity) -> None:
        """Create the home folder and check that everything is ours.

        Raises:
            EmbeddedPostgresError: It cannot be created, or somebody else's files are there.
        """
        try:
            self.home.mkdir(mode=0o700, parents=True, exist_ok=True)
            for path, owner in ((self.home, os.geteuid()), (self.data, identity.uid)):
                if path.exists() and path.stat().st_uid != owner:
                    raise EmbeddedPostgresError(
                        f"The folder {path} belongs to another user (uid {path.stat().st_uid}; expected {owner}).",
                        next_step="Run this as the user who created it, or remove the folder "
                        f"{self.home} and lose the data in it.",
                    )
        except OSError as err:
            if err.errno in (errno.ENOSPC, errno.EDQUOT):
                raise full_disk(self.home) from err
            raise EmbeddedPostgresError(
                f"The folder {self.home} for the embedded PostgreSQL server's data cannot be used: {err.strerror}.",
                next_step="Make the folder writable for the current user.",
            ) from err

    def check_space(self) -> None:
        """Check that the server would not fill the disk at once.

        Raises:
            EmbeddedPostgresError: There is less space than SPACE_FOR_NEW or SPACE_FOR_START.
        """
        needed = SPACE_FOR_START if self.data.exists() else SPACE_FOR_NEW
        if shutil.disk_usage(self.home).free < needed:
            raise full_disk(self.home)

    def create_data(self, installation: Installation, identity: Identity) -> None:
        """Create the data folder unless it exists. The start lock must be held.

        It is created beside its place and renamed, so that an initdb that is killed or fails
        leaves nothing that looks like data; its remains go with the next start.

        Raises:
            EmbeddedPostgresError: initdb failed.
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
        except OSError as err:
            if err.errno in (errno.ENOSPC, errno.EDQUOT):
                raise full_disk(self.home) from err
            raise EmbeddedPostgresError(
                f"The data folder {self.data} cannot be created: {err.strerror}.",
                next_step="Check the permissions of its parent folder.",
            ) from err
        finally:
            shutil.rmtree(building, ignore_errors=True)

    def restrict_data(self) -> None:
        """Give the data folder the permissions the server insists on (a copied one lost them)."""
        if stat.S_IMODE(self.data.stat().st_mode) != stat.S_IRWXU:
            self.data.chmod(stat.S_IRWXU)


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
    """A path to `folder` that its owner can use, with the descriptors to hand to its program.

    The folder may lie below one that its owner may not enter (/root), or at a path longer than
    PostgreSQL's limit of 1024 bytes. On Linux a descriptor of the folder gets around both, and no
    folder's permissions need to be changed: opening it through /proc asks for permission on the
    folder itself only. (Its current folder would do, too, but PostgreSQL 15 leaves that on start.)
    """
    if not _DESCRIPTORS.is_dir():
        yield str(folder), ()
        return
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield str(_DESCRIPTORS / str(descriptor)), (descriptor,)
    finally:
        os.close(descriptor)


def _initdb(data: Path, installation: Installation, identity: Identity) -> None:
    output = ""
    for locale in _LOCALES:
        with reachable(data) as (path, descriptors):
            options = ("-D", path, "-U", "postgres", "-A", "trust", "-E", "UTF8", "--no-sync")
            done = run(
                [
                    # Through the keeper's script, so that a killed client takes initdb with it.
                    *(*KEEPER, "become", *identity.arguments, str(os.getpid())),
                    *(installation.initdb, *options, f"--locale={locale}", "--no-instructions"),
                ],
                descriptors=descriptors,
                seconds=_INITDB_SECONDS,
            )
        if done.returncode == 0:
            return
        output = done.stderr.strip()
        if "invalid locale" not in output:
            break
    if is_full_disk(output):
        raise full_disk(data.parent)
    raise EmbeddedPostgresError(
        f"PostgreSQL's initdb failed: {' '.join(output.splitlines()[-3:])}",
        next_step="Remove the cause named there, or set DATABASE_URL to another server.",
    )
