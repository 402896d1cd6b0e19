"""A copy of PostgreSQL's programs that an unprivileged user may run, made once, for root only.

A project of root's lies in /root, which nobody else may enter, and its permissions are not ours to
change. The copy is in a folder that only root can write to: what it holds is executed.
"""

import hashlib
import os
import shutil
import stat
import tempfile
import time
from dataclasses import replace
from pathlib import Path

from devtools.embedded_postgres.locks import LockFile
from devtools.embedded_postgres.programs import PROGRAMS, EmbeddedPostgresError, Identity, Installation, version_shown

_COPY_SECONDS = 60
CACHE = Path("/var/cache/embedded-postgres")
_LEFT_OUT = shutil.ignore_patterns("*.a", "include", "pkgconfig", "pgxs", "man", "doc", "locale")


def runnable_by(identity: Identity, installation: Installation) -> Installation:
    """Return the installation itself when `identity` can run it, else a copy of it that `identity` can.

    Raises:
        EmbeddedPostgresError: The copy cannot be made, or does not run either.
    """
    if identity.uid == os.geteuid() or _runs(identity, installation):
        return installation
    try:
        copy, reason = replace(installation, bin_folder=_copy_of(installation)), "the copy does not run"
    except OSError as err:  # shutil.Error is one, too
        copy, reason = installation, str(err)
    if not _runs(identity, copy):
        raise EmbeddedPostgresError(
            f"PostgreSQL does not run as root, nor from {CACHE} as `nobody`: {reason}.",
            next_step="Run this as an ordinary user, or name the bin folder of a server that every "
            "user can run in POSTGRES_BIN_FOLDER.",
        )
    return copy


def _runs(identity: Identity, installation: Installation) -> bool:
    return all("(PostgreSQL)" in version_shown(installation.bin_folder / each, identity) for each in PROGRAMS)


def _copy_of(installation: Installation) -> Path:
    prefix = installation.bin_folder.parent
    # <package>/<prefix>/bin beside <package>.libs: where wheels put the libraries of their
    # programs, found relative to the program. The copy keeps that.
    place = Path(prefix.parent.name or "package", prefix.name or "server")
    CACHE.mkdir(exist_ok=True)  # below a folder of root's
    CACHE.chmod(0o755)  # whatever the umask is
    # By content: the same for all projects that have the same package.
    digest = hashlib.blake2b((prefix / "bin/postgres").read_bytes(), digest_size=8).hexdigest()
    target = CACHE / f"{installation.version}-{digest}"
    with LockFile(CACHE / "copying.lock") as lock:
        lock.acquire(deadline=time.monotonic() + _COPY_SECONDS)
        if not target.is_dir():
            _copy(prefix, target, place)
    return target / place / "bin"


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
        libraries = prefix.parent.parent / f"{prefix.parent.name}.libs"
        if libraries.is_dir():
            shutil.copytree(libraries, building / libraries.name)
        for path in (building, *building.rglob("*")):
            programs = path.is_dir() or path.stat().st_mode & stat.S_IXUSR
            path.chmod(0o755 if programs else 0o644)
        building.rename(target)
    finally:
        shutil.rmtree(building, ignore_errors=True)
