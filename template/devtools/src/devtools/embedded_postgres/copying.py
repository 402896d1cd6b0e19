"""A copy of PostgreSQL's programs that an unprivileged user may run, made once, for root only.

A project of root's lies in /root, which no other user may enter, and this module must not change its permissions. The
copy is in a folder that only root can write to, since its files are executed.
"""

import hashlib
import os
import shutil
import tempfile
from contextlib import suppress
from pathlib import Path

from devtools.embedded_postgres.programs import EmbeddedPostgresError, Identity, Installation, version_shown

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
        copy, reason = installation._replace(bin_folder=_copy_of(installation)), "the copy does not run"
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
    return "(PostgreSQL)" in version_shown(installation.bin_folder / "postgres", identity)


def _copy_of(installation: Installation) -> Path:
    prefix = installation.bin_folder.parent
    # <package>/<prefix>/bin beside <package>.libs: where wheels put the libraries of their
    # programs, found relative to the program. The copy keeps that.
    place = Path(prefix.parent.name or "package", prefix.name or "server")
    # By content: the same for all projects that have the same package.
    digest = hashlib.blake2b((prefix / "bin/postgres").read_bytes(), digest_size=8).hexdigest()
    target = CACHE / f"{installation.version}-{digest}"
    if not target.is_dir():
        CACHE.mkdir(exist_ok=True)
        CACHE.chmod(0o755)  # whatever the umask is
        with tempfile.TemporaryDirectory(dir=CACHE, ignore_cleanup_errors=True) as temporary:
            building = Path(temporary) / "copy"
            for name in ("bin", "lib", "share"):
                if (prefix / name).is_dir():
                    shutil.copytree(prefix / name, building / place / name, ignore=_LEFT_OUT)
            for libraries in prefix.parent.parent.glob(f"{prefix.parent.name}.libs"):
                shutil.copytree(libraries, building / libraries.name)
            for path in (building, *building.rglob("*")):
                path.chmod(0o755 if path.is_dir() or os.access(path, os.X_OK) else 0o644)
            with suppress(OSError):  # another process was faster
                building.rename(target)
    return target / place / "bin"
