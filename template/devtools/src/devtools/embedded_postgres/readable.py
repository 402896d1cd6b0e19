"""A copy of PostgreSQL's programs that an unprivileged user may run, made once, for root only.

A project of root's lies in /root, which nobody else may enter, and its permissions are not ours to
change. The copy is in a folder that only root can write to: what it holds is executed.
"""

import hashlib
import shutil
import stat
import tempfile
import time
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from devtools.embedded_postgres.binaries import PROGRAMS, Installation, version_shown
from devtools.embedded_postgres.errors import (
    EmbeddedPostgresError,
    full_disk,
    is_full_disk,
)
from devtools.embedded_postgres.locks import LockFile
from devtools.embedded_postgres.processes import Identity

_COPY_SECONDS = 60
CACHE = Path("/var/cache/embedded-postgres")
_LEFT_OUT = shutil.ignore_patterns("*.a", "include", "pkgconfig", "pgxs", "man", "doc", "locale")


def runnable_by(identity: Identity, installation: Installation) -> Installation:
    """The installation itself when `identity` can run it, else a copy of it that `identity` can.

    Raises:
        EmbeddedPostgresError: The copy cannot be made, or does not run either.
    """
    if not identity.switched or _runs(identity, installation):
        return installation
    copy = replace(installation, bin_folder=_copy_of(installation))
    if not _runs(identity, copy):
        raise EmbeddedPostgresError(
            f"PostgreSQL does not run as root, and its copy in {CACHE} does not run as nobody.",
            next_step="Run this as an ordinary user, or name the bin folder of a server that every "
            "user can run in POSTGRES_BIN_FOLDER.",
        )
    return copy


def _runs(identity: Identity, installation: Installation) -> bool:
    return all(
        "(PostgreSQL)" in version_shown(installation.bin_folder / program, identity=identity) for program in PROGRAMS
    )


def _copy_of(installation: Installation) -> Path:
    prefix = installation.bin_folder.parent
    # <package>/<prefix>/bin beside <package>.libs: where wheels put the libraries of their
    # programs, found relative to the program. The copy keeps that.
    place = Path(prefix.parent.name or "package", prefix.name or "server")
    try:
        _make_cache()
        target = CACHE / f"{installation.version}-{_fingerprint(prefix)}"
        if not target.is_dir():
            with LockFile(CACHE / "copying.lock") as lock:
                lock.acquire(deadline=time.monotonic() + _COPY_SECONDS)
                if not target.is_dir():  # by now another process may have made it
                    _copy(prefix, target, place)
    except OSError as err:
        raise _not_copied(err) from err
    except shutil.Error as err:  # the copying of single files failed, perhaps for lack of space
        raise _not_copied(OSError(0, str(err.args[0][0][2]))) from err
    return target / place / "bin"


def _not_copied(err: OSError) -> EmbeddedPostgresError:
    if is_full_disk(str(err)):
        return full_disk(CACHE)
    return EmbeddedPostgresError(
        f"PostgreSQL does not run as root, and its programs cannot be copied to {CACHE} "
        f"for the user nobody: {err.strerror}.",
        next_step="Run this as an ordinary user, or name the bin folder of a server that every "
        "user can run in POSTGRES_BIN_FOLDER.",
    )


def _make_cache() -> None:
    with suppress(FileExistsError):
        CACHE.mkdir(mode=0o755)
    CACHE.chmod(0o755)  # whatever the umask is; refused, as it should be, for a folder not ours
    status = CACHE.lstat()
    if status.st_uid != 0 or not stat.S_ISDIR(status.st_mode):
        raise PermissionError(0, f"{CACHE} does not belong to root")


def _fingerprint(prefix: Path) -> str:
    # The server by its content, what it may load by name and size: 10 ms, and the same for all
    # projects that have the same package.
    digest = hashlib.blake2b((prefix / "bin/postgres").read_bytes(), digest_size=8)
    for path in sorted((prefix / "lib").rglob("*")):
        digest.update(f"{path.relative_to(prefix)}:{path.stat().st_size}\n".encode())
    return digest.hexdigest()


def _copy(prefix: Path, target: Path, place: Path) -> None:
    for remains in CACHE.glob("building-*"):  # of a process that was killed
        shutil.rmtree(remains)
    building = Path(tempfile.mkdtemp(prefix="building-", dir=CACHE))
    try:
        inside = building / place
        (inside / "bin").mkdir(parents=True)
        for program in PROGRAMS:
            shutil.copy2(prefix / "bin" / program, inside / "bin" / program)
        for folder in ("lib", "share"):
            if (prefix / folder).is_dir():
                shutil.copytree(prefix / folder, inside / folder, ignore=_LEFT_OUT)
        for libraries in (
            prefix.parent.parent / f"{prefix.parent.name}.libs",  # Linux wheels
            prefix.parent / ".dylibs",  # macOS wheels
        ):
            if libraries.is_dir():
                kept = libraries.relative_to(prefix.parent.parent)
                shutil.copytree(libraries, building / kept)
        for path in (building, *building.rglob("*")):
            programs = path.is_dir() or path.stat().st_mode & stat.S_IXUSR
            path.chmod(0o755 if programs else 0o644)
        building.rename(target)
    finally:
        shutil.rmtree(building, ignore_errors=True)
