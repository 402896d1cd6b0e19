"""What `uvx nox` runs: the template's tests, and every combination's own checks and tests.

Sessions share a folder outside the checkout in which each combination is rendered once. The last
line of a run is the count of all tests, the rendered projects' own included.
"""

from __future__ import annotations

import atexit
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

import nox

ROOT = Path(__file__).resolve().parent
sys.path.insert(0, str(ROOT))

from tests.combinations import COMBINATIONS  # noqa: E402
from tests.interpreters import find_interpreter  # noqa: E402
from tests.tally import Tally  # noqa: E402

nox.needs_version = ">=2026.10"
nox.options.default_venv_backend = "uv"
nox.options.reuse_venv = "yes"
nox.options.error_on_missing_interpreters = True
nox.options.sessions = ["lint", "template", "rendered", "readme"]

REPORTS = ROOT / ".reports"
TALLY = Tally(REPORTS)

# A combination is one session for each Python that the table names, so that CI can spread them.
RENDERED = [(each.id, python) for each in COMBINATIONS for python in each.interpreters]


@cache
def run_folder() -> Path:
    """Return the folder that the sessions of this run share; the run's end clears and counts."""
    folder = Path(tempfile.mkdtemp(prefix="ashlar-")).resolve()
    # Tests of the embedded server become other users, to whom a temporary folder is open.
    folder.chmod(0o755)
    shutil.rmtree(REPORTS, ignore_errors=True)
    REPORTS.mkdir()
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


def install(session: nox.Session, group: str) -> None:
    """Install a dependency group of pyproject.toml."""
    session.install(*nox.project.dependency_groups(nox.project.load_toml("pyproject.toml"), group))


def pytest(session: nox.Session, name: str, *arguments: str) -> None:
    """Run the factory's tests and leave a report called `name`."""
    session.run(
        "pytest",
        f"--run-folder={run_folder()}",
        f"--junitxml={REPORTS / name}.xml",
        *arguments,
        *session.posargs,
    )


@nox.session
def lint(session: nox.Session) -> None:
    """The factory's own code: linter, formatter, types."""
    with counted("lint"):
        install(session, "lint")
        session.run("ruff", "check")
        session.run("ruff", "format", "--check")
        session.run("mypy")


@nox.session
def template(session: nox.Session) -> None:
    """The template as text, its questions, hostile answers, updates, cost and promises."""
    with counted("template"):
        install(session, "test")
        pytest(session, "template", "-n", "auto", "-m", "not rendered and not e2e")


@nox.session
@nox.parametrize(("combination", "python_version"), RENDERED, ids=map(", ".join, RENDERED))
def rendered(session: nox.Session, combination: str, python_version: str) -> None:
    """One combination on one Python: rendered, linted, typed, its own tests run."""
    name = f"rendered-{combination}-{python_version}"
    if find_interpreter(python_version) is None and "CI" not in os.environ:
        run_folder()
        TALLY.sessions[name] = f"skipped: no Python {python_version} on this machine"
        session.skip(f"no Python {python_version} on this machine")
    with counted(name):
        install(session, "test")
        chosen = (f"--combination={combination}", f"--interpreter={python_version}")
        pytest(session, name, "-m", "rendered", f"--reports={REPORTS}", *chosen)


@nox.session
def readme(session: nox.Session) -> None:
    """What the README says, word by word, in a fresh clone with an empty home."""
    with counted("readme"):
        install(session, "test")
        pytest(session, "readme", "-m", "e2e")


@nox.session
def benchmark(session: nox.Session) -> None:
    """What a project costs beyond plain FastAPI: docs/benchmarks.md. Wants a quiet machine."""
    with counted("benchmark"):
        install(session, "test")
        session.run("python", "-m", "tests.benchmarks", str(run_folder()), *session.posargs)
