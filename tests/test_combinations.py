"""Each rendered combination, checked with its own tools and by its own tests.

`tests/combinations.py` says how deeply. The marker `proves` names the column of the table that the
noxfile prints at the end of a run.
"""

from __future__ import annotations

import ast
import contextlib
import json
import re
import tomllib
from collections.abc import Callable
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import psutil
import pytest
import yaml

from tests.combinations import BARE, COMBINATIONS, FULL, OLDEST_PYTHON, Combination, Depth
from tests.delivery import check, check_workflows
from tests.inside import tools_tested_inside
from tests.projects import Project, Run

pytestmark = pytest.mark.rendered

PARSERS: dict[str, Callable[[str], Any]] = {
    ".py": ast.parse,
    ".toml": tomllib.loads,
    ".yaml": lambda text: list(yaml.safe_load_all(text)),
    ".yml": lambda text: list(yaml.safe_load_all(text)),
    ".json": json.loads,
}

# Copier's own record says which answers were no.
ANSWERS_FILE = ".copier-answers.yml"
# The distribution that an option brings; TimescaleDB's is on the server.
DISTRIBUTIONS = {"redis": "redis", "sentry": "sentry-sdk", "stripe": "stripe"}


def combinations(depth: Depth) -> pytest.MarkDecorator:
    """Parametrize a test over the combinations that are taken at least to `depth`."""
    deep = [each for each in COMBINATIONS if each.depth >= depth]
    return pytest.mark.parametrize("combination", deep, ids=lambda each: each.id)


@pytest.fixture(autouse=True)
def _noted(
    request: pytest.FixtureRequest,
    combination: Combination,
    python: str,
    record_property: Callable[[str, object], None],
) -> None:
    """Note in the report what the test proves, for the table at the end of the run."""
    proves = request.node.get_closest_marker("proves")
    assert proves, "every test of a combination fills a column of the table"
    record_property("combination", combination.id)
    record_property("python", python)
    record_property("proves", proves.args[0])


@pytest.fixture
def project(run: Run, combination: Combination, python: str) -> Project:
    """The rendered project with its dependencies installed."""
    return run.project(combination, python)


def texts(folder: Path) -> dict[str, str]:
    """Return the rendered text files by path.

    Raises:
        UnicodeDecodeError: One of them is not UTF-8.
    """
    return {
        str(path.relative_to(folder)): path.read_bytes().decode("utf-8")
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def processes() -> set[str]:
    """Return what runs on this machine: process ids with command lines and working folders."""
    running = set()
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            words = [str(process.pid), *process.cmdline(), process.cwd()]
            running.add(" ".join([*words, process.environ().get("TMPDIR", "")]))
    return running


@combinations(Depth.RENDERED)
@pytest.mark.proves("rendered")
def test_every_file_parses(run: Run, combination: Combination) -> None:
    parsed = 0
    for path, text in texts(run.rendered(combination)).items():
        if parse := PARSERS.get(Path(path).suffix):
            parse(text)
            parsed += 1
    assert parsed > 10


@combinations(Depth.RENDERED)
@pytest.mark.proves("rendered")
def test_no_file_shows_that_it_was_a_template(run: Run, combination: Combination) -> None:
    for path, text in texts(run.rendered(combination)).items():
        assert not path.endswith(".jinja")
        assert "\r" not in text, path
        # The project's own templates, of mail and of the mailbox, are filled in when it runs.
        if "src/app/templates/" not in path and not path.endswith(".html"):
            assert not re.search(r"(?<!\$)\{\{ ?[A-Za-z_]|\{% ", text), path
        assert text == "" or text.endswith("\n"), path
        assert not text.startswith("\n"), path
        assert not text.endswith("\n\n"), path
        assert [line for line in text.splitlines() if line != line.rstrip()] == [], path
        # PEP 8 has two blank lines between definitions; a licence is laid out by its authors.
        most = {".py": 2, ".mako": 2, "": 9}.get(Path(path).suffix, 1)
        assert "\n" * (most + 2) not in text, f"{path} has more than {most} blank lines in a row"


@combinations(Depth.RENDERED)
@pytest.mark.proves("rendered")
def test_what_is_off_leaves_no_trace(run: Run, combination: Combination) -> None:
    traces = [re.compile(trace, re.IGNORECASE) for trace in combination.traces]
    found = [
        f"{path}:{number}: {line.strip()}"
        for path, text in texts(run.rendered(combination)).items()
        if path != ANSWERS_FILE
        for number, line in enumerate([path, *text.splitlines()])
        if any(trace.search(line) for trace in traces)
    ]
    assert found == []


@combinations(Depth.SUITE)
@pytest.mark.proves("rendered")
def test_what_is_off_is_not_installed(project: Project, combination: Combination) -> None:
    """`uv sync` has just made the environment: it installs what is missing and removes the rest."""
    listed = project.run("uv", "pip", "list", "--python", str(project.venv), "--format=json", "-q")
    listed.must_succeed()
    names = [each["name"] for each in json.loads(listed.output)]
    brought = {option for option, name in DISTRIBUTIONS.items() if name in names}
    assert brought == combination.on & DISTRIBUTIONS.keys()
    traces = [re.compile(trace, re.IGNORECASE) for trace in combination.traces]
    assert [name for name in names if any(trace.search(name) for trace in traces)] == []


@combinations(Depth.LINTED)
@pytest.mark.proves("linted")
@pytest.mark.parametrize("check", ["ruff check", "ruff format --check", "lint-imports"])
def test_its_linters_are_content(project: Project, check: str) -> None:
    project.tool(*check.split()).must_succeed()


@combinations(Depth.LINTED)
@pytest.mark.proves("linted")
def test_its_delivery_is_sound(run: Run, combination: Combination) -> None:
    """All of it that differs between combinations; `test_delivery` has the rest."""
    folder = run.rendered(combination)
    check(folder, "check-jsonschema", "--builtin-schema", "vendor.compose-spec", "compose.yaml")
    check(folder, "hadolint", "Dockerfile")
    check_workflows(folder)


@combinations(Depth.TYPED)
@pytest.mark.proves("typed")
def test_its_types_hold(run: Run, project: Project, python: str) -> None:
    # The cache is by content: what combinations share is analysed once.
    cache = str(run.folder / "mypy" / python)
    finished = project.tool("mypy", f"--python-version={python}", MYPY_CACHE_DIR=cache)
    finished.must_succeed()
    assert re.search(r"no issues found in \d\d+ source files", finished.output), finished


@combinations(Depth.SUITE)
@pytest.mark.proves("suite")
def test_its_own_tests_pass_and_leave_nothing(
    request: pytest.FixtureRequest, project: Project, combination: Combination, python: str
) -> None:
    """The suite's own report goes beside this run's, where the noxfile adds it to the total.

    With everything and with nothing, the tests of tools run in it, too.
    """
    with_tools = combination in {FULL, BARE} and python == OLDEST_PYTHON
    with tools_tested_inside(project.folder) if with_tools else contextlib.nullcontext():
        name = f"suite-{combination.id}-{python}"
        must_pass_and_leave_nothing(request, project, name)


def must_pass_and_leave_nothing(
    request: pytest.FixtureRequest, project: Project, name: str, *options: str
) -> None:
    """Run the project's own tests, with a report of that name, and look for what they leave."""
    reports: Path = request.config.getoption("--reports") or project.temporary_folder
    before, files_before = processes(), set(project.temporary_folder.iterdir())
    report = reports.resolve() / f"{name}.xml"
    unchanged = project.run("git", "status", "--porcelain").output
    command = ("pytest", "-n", "auto", "-q", f"--junitxml={report}", *options)
    finished = project.tool(*command, timeout=900)
    finished.must_succeed()
    assert re.search(r"\d+ passed", finished.output), finished
    changed = project.run("git", "status", "--porcelain").output
    assert changed == unchanged, "the suite changed the project"
    # uv keeps its locks, and pytest the temporary folders of its last three runs.
    kept = ("uv-*.lock", "pytest-of-*", report.name)
    left = [path.name for path in set(project.temporary_folder.iterdir()) - files_before]
    assert [name for name in left if not any(fnmatch(name, each) for each in kept)] == []
    ours = (str(project.folder), str(project.temporary_folder))
    assert [each for each in processes() - before if any(path in each for path in ours)] == []


@pytest.mark.parametrize(
    "combination",
    [FULL, pytest.param(BARE, marks=pytest.mark.long)],
    ids=lambda each: each.id,
)
@pytest.mark.processes
@pytest.mark.proves("suite")
def test_its_own_tests_of_processes_pass_and_leave_nothing(
    request: pytest.FixtureRequest, project: Project, combination: Combination
) -> None:
    with tools_tested_inside(project.folder):
        name = f"processes-{combination.id}"
        must_pass_and_leave_nothing(request, project, name, "-m", "process")


@pytest.mark.parametrize("combination", [FULL], ids=lambda each: each.id)
@pytest.mark.long
@pytest.mark.proves("suite")
def test_its_own_tests_reach_what_it_asks_of_them(
    request: pytest.FixtureRequest, project: Project
) -> None:
    """Coverage takes as long again, and is of all tests together."""
    with tools_tested_inside(project.folder):
        # The project measures its application; the tests of tools are here, and so is the measure.
        measured = ("--cov=app", "--cov=devtools")
        must_pass_and_leave_nothing(request, project, "coverage", "-m", "not schema", *measured)


@combinations(Depth.SUITE)
@pytest.mark.proves("suite")
def test_its_models_and_its_migration_agree(project: Project) -> None:
    """`app db check` is `alembic check` on a database that the migrations have just built."""
    project.tool("app", "db", "upgrade").must_succeed()
    project.tool("app", "db", "check").must_succeed()
