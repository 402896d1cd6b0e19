"""What `uvx nox` runs: the template's tests, and every combination's own checks and tests.

Sessions share a folder outside the checkout in which each combination is rendered once. The last
line of a run is the count of all tests, the rendered projects' own included.
"""

from __future__ import annotations

import atexit
import fcntl
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

import nox

ROOT = Path(__file__).resolve().parent
sys.path.insert(0, str(ROOT))

from tests.combinations import BARE, COMBINATIONS, FULL, NEWEST_PYTHON, OLDEST_PYTHON  # noqa: E402
from tests.interpreters import find_interpreter  # noqa: E402
from tests.tally import Tally  # noqa: E402

nox.needs_version = ">=2026.10"
# One environment for all sessions: they are many, they use the same tools, and each would make and
# compile its own.
nox.options.default_venv_backend = "none"
nox.options.sessions = ["lint", "template", "rendered", "readme"]

# Files in memory, where there is room: updates and databases are thousands of small ones, and cost
# half the CPU there.
MEMORY = Path("/dev/shm")  # noqa: S108 — what is made in it has random names
MEMORY_BYTES = 8 * 2**30
if (
    "TMPDIR" not in os.environ
    and MEMORY.is_dir()
    and not os.statvfs(MEMORY).f_flag & os.ST_NOEXEC
    and shutil.disk_usage(MEMORY).free > MEMORY_BYTES
):
    os.environ["TMPDIR"] = tempfile.tempdir = str(MEMORY)

# Two runs at the same time, as in .ci/run, have a folder for their reports each.
REPORTS = ROOT / ".reports" / os.environ.get("ASHLAR_REPORTS", "")
TOOLS = ROOT / ".nox" / "tools"
TALLY = Tally(REPORTS)
# To collect all modules takes as long as some sessions' own.
COMBINED = "tests/test_combinations.py"

# A combination is one session for each Python that the table names, so that CI can spread them.
# The README's command runs those at both ends, on the oldest Python; CI runs the others, too.
SESSIONS = [(each.id, python) for each in COMBINATIONS for python in each.interpreters]
ENDS = [(each.id, OLDEST_PYTHON) for each in (FULL, BARE)]
PYTHONS = [each for each in SESSIONS if each[1] != OLDEST_PYTHON]
# The one of them that .ci/run has, which names its sessions by tags and parts of their names.
NEWER = (FULL.id, "3.13")
OTHERS = [each for each in SESSIONS if each not in [*ENDS, *PYTHONS]]


@cache
def run_folder() -> Path:
    """Return the folder that the sessions of this run share; the run's end clears and counts."""
    folder = Path(tempfile.mkdtemp(prefix="ashlar-")).resolve()
    # Tests of the embedded server become other users, to whom a temporary folder is open.
    folder.chmod(0o755)
    shutil.rmtree(REPORTS, ignore_errors=True)
    REPORTS.mkdir(parents=True)
    atexit.register(_end, folder)
    return folder


def _end(folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    print(*TALLY.lines(), sep="\n", flush=True)


@contextmanager
def counted(name: str) -> Iterator[None]:
    """Count a session as failed unless it comes to its end."""
    run_folder()
    TALLY.sessions[name] = "failed"
    yield
    TALLY.sessions[name] = "passed"


@cache
def tools() -> Path:
    """Return the folder with the factory's tools, of which the first session makes sure."""
    TOOLS.parent.mkdir(exist_ok=True)
    venv = ("uv", "venv", "--quiet", "--allow-existing", "--python", sys.executable, str(TOOLS))
    install = ("uv", "pip", "install", "--quiet", "--python", str(TOOLS), "--group", "lint")
    with TOOLS.with_suffix(".lock").open("w") as lock:
        # A second run on this checkout, as in .ci/run, waits for the first.
        fcntl.flock(lock, fcntl.LOCK_EX)
        subprocess.run(venv, check=True, cwd=ROOT)
        subprocess.run(install, check=True, cwd=ROOT)
    return TOOLS / "bin"


def run(session: nox.Session, tool: str, *arguments: str) -> None:
    """Run one of the factory's tools."""
    session.run(str(tools() / tool), *arguments, external=True)


def pytest(session: nox.Session, name: str, *arguments: str) -> None:
    """Run the factory's tests and leave a report called `name`."""
    report = REPORTS / f"{name}.xml"
    options = (f"--run-folder={run_folder()}", f"--junitxml={report}")
    run(session, "pytest", *options, *arguments, *session.posargs)


@nox.session
def lint(session: nox.Session) -> None:
    """The factory's own code: linter, formatter, types."""
    with counted("lint"):
        run(session, "ruff", "check")
        run(session, "ruff", "format", "--check")
        run(session, "mypy")


@nox.session
def template(session: nox.Session) -> None:
    """The template as text, its questions, hostile answers, updates, delivery and cost."""
    with counted("template"):
        pytest(
            session,
            "template",
            "-n",
            "auto",
            "-m",
            "not rendered and not processes and not e2e and not laws and not promises"
            " and not outside and not long",
        )


@nox.session
def promises(session: nox.Session) -> None:
    """Some promises broken on a copy, to see their tests fail; requests made up from the document.

    `long` breaks the others.
    """
    with counted("promises"):
        marked = ("-m", "promises and not long")
        pytest(session, "promises", "-n", "auto", *marked, "tests/test_promises.py")


@nox.session
def updates(session: nox.Session) -> None:
    """The laws of updates over every flip of every option, and a project with edits."""
    with counted("updates"):
        pytest(session, "updates", "-n", "auto", "-m", "laws and not long")


@nox.session(tags=["combinations"])
@nox.parametrize(("combination", "python_version"), ENDS, ids=map(", ".join, ENDS))
def rendered(session: nox.Session, combination: str, python_version: str) -> None:
    """Everything or nothing, on one Python: rendered, linted, typed, its own tests run."""
    check(session, combination, python_version)


@nox.session(tags=["combinations"])
@nox.parametrize(("combination", "python_version"), OTHERS, ids=map(", ".join, OTHERS))
def others(session: nox.Session, combination: str, python_version: str) -> None:
    """The same for each other combination."""
    check(session, combination, python_version)


@nox.session(tags=["combinations"])
@nox.parametrize(
    ("combination", "python_version"),
    [
        nox.param(*each, id=", ".join(each), tags=["newer"] if each == NEWER else [])
        for each in PYTHONS
    ],
)
def pythons(session: nox.Session, combination: str, python_version: str) -> None:
    """The same for both ends on each other Python."""
    check(session, combination, python_version)


@nox.session
def processes(session: nox.Session) -> None:
    """The full project's own tests of whole commands and servers; `long` has the bare one's."""
    with counted("processes"):
        marked = ("-m", "processes and not long")
        pytest(session, "processes", *marked, f"--reports={REPORTS}", COMBINED)


def check(session: nox.Session, combination: str, python_version: str) -> None:
    """Check one combination on one Python, or say why it cannot be done here."""
    name = f"rendered-{combination}-{python_version}"
    needed = "CI" in os.environ and python_version != NEWEST_PYTHON
    if find_interpreter(python_version) is None and not needed:
        run_folder()
        TALLY.sessions[name] = f"skipped: no Python {python_version} on this machine"
        session.skip(f"no Python {python_version} on this machine")
    with counted(name):
        chosen = (f"--combination={combination}", f"--interpreter={python_version}")
        try:
            marked = "rendered and not processes and not long"
            pytest(session, name, "-m", marked, f"--reports={REPORTS}", *chosen, COMBINED)
        finally:
            note_versions(name, python_version)


def note_versions(name: str, python_version: str) -> None:
    """Leave beside the report which versions the project had: there is no lock file to tell."""
    venv = run_folder() / "venvs" / python_version
    if venv.exists():
        freeze = ("uv", "pip", "freeze", "--quiet", "--python", str(venv))
        listed = subprocess.run(freeze, check=False, stdout=subprocess.PIPE)
        (REPORTS / f"{name}.txt").write_bytes(listed.stdout)


@nox.session
def outside(session: nox.Session) -> None:
    """A rendered project among browsers, poolers and kills. Wants Chromium and PgBouncer.

    `long` has the longer half of it.
    """
    with counted("outside"):
        pytest(session, "outside", "-m", "outside and not long", "tests/outside")


@nox.session
def long(session: nox.Session) -> None:
    """All that takes long, and every Python: before a release, and before an issue is resolved."""
    with counted("long"):
        pytest(session, "long-promises", "-n", "auto", "-m", "promises and long")
        pytest(session, "long", "-m", "long and not promises", f"--reports={REPORTS}")
    for combination, python_version in PYTHONS:
        session.notify(f"pythons({combination}, {python_version})")


@nox.session
def readme(session: nox.Session) -> None:
    """What the README says, word by word, in a fresh clone with an empty home."""
    with counted("readme"):
        pytest(session, "readme", "-m", "e2e", "tests/test_readme.py")


@nox.session
def benchmark(session: nox.Session) -> None:
    """What a project costs beyond plain FastAPI: docs/benchmarks.md. Wants a quiet machine."""
    with counted("benchmark"):
        run(session, "python", "-m", "tests.benchmarks", str(run_folder()), *session.posargs)


@nox.session
def release(session: nox.Session) -> None:
    """Make the release that is named: `uvx nox -s release -- 0.2.0`."""
    run(session, "python", "-m", "tests.releases", *session.posargs)
