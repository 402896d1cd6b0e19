"""The rendered suite can fail: for each promise, the code is broken and the named test notices."""

from __future__ import annotations

import re
import shutil
import xml.etree.ElementTree as ET
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest

from tests.combinations import FULL
from tests.inside import add_tests_of_tools, tools_tested_inside
from tests.outside.serving import databases
from tests.projects import Finished, Run
from tests.promises import PROMISES, Promise
from tests.warm import WarmPytest, warm_pytest

pytestmark = pytest.mark.promises


def often(promises: Iterable[Promise]) -> Iterator[Promise]:
    """Yield the promises that every run breaks; the session `long` breaks the others.

    They are the first about each folder of the code, and the first that each folder of tests
    notices.
    """
    seen: set[Path] = set()
    for promise in promises:
        folders = {Path(promise.file).parent, Path(promise.test.partition("::")[0]).parent}
        if not folders <= seen:
            yield promise
        seen |= folders


OFTEN = frozenset(often(PROMISES))

# Bytecode is copied: it is found by the source's time and size, and compiling takes a second.
NOT_COPIED = shutil.ignore_patterns(".git", ".*_cache")


@pytest.fixture(scope="module")
def tests(run: Run, tmp_path_factory: pytest.TempPathFactory) -> Iterator[WarmPytest]:
    """The tests of the full project, on the dependencies of the one that is shared."""
    shared, folder = run.project(FULL), tmp_path_factory.mktemp("promises")
    with (
        databases(shared, folder / "postgres") as server,
        warm_pytest(shared, folder, TEST_DATABASE_URL=server.create()) as warm,
    ):
        yield warm


@pytest.fixture
def project(run: Run, tmp_path: Path) -> Iterator[Path]:
    """A copy of the full project to break."""
    copy = tmp_path / "project"
    shutil.copytree(run.project(FULL).folder, copy, ignore=NOT_COPIED)
    add_tests_of_tools(copy)
    yield copy
    shutil.rmtree(copy)


def run_tests(tests: WarmPytest, project: Path, *nodes: str) -> tuple[Finished, dict[str, str]]:
    """Run nodes of the suite in `project`.

    Returns:
        How it ended, and by the name of each test that did not pass what was first the
        matter: "failure" for an assertion, "error" for a fixture or an import.
    """
    report = project.parent / "report.xml"
    # Processes that tests start find the shared environment's sources; PYTHONPATH comes first.
    path = f"{project / 'src'}:{project / 'devtools' / 'src'}"
    # A plugin is among the libraries: its assertions are not rewritten, which is nothing to us.
    quiet = "ignore:Module already imported:pytest.PytestAssertRewriteWarning"
    arguments = ("-q", "-m", "not schema", "-W", quiet, f"--junitxml={report}", *nodes)
    finished = tests.run(project, arguments, {"PYTHONPATH": path})
    problems: dict[str, str] = {}
    if report.exists():
        for case in ET.parse(report).iter("testcase"):  # noqa: S314 - pytest has just written it
            for kind in ("failure", "error"):
                if case.find(kind) is not None:
                    problems.setdefault(case.attrib["name"], kind)
    return finished, problems


@pytest.mark.long
def test_the_promised_tests_pass_as_long_as_nothing_is_broken(
    tests: WarmPytest, project: Path
) -> None:
    """The suite as a whole passes in every run; here the same nodes pass as they are run below."""
    nodes = list(dict.fromkeys(promise.test for promise in PROMISES))
    finished, problems = run_tests(tests, project, *nodes)
    assert (finished.code, problems) == (0, {}), finished


def parameter(promise: Promise) -> object:
    """Return a promise as a parameter, with how often it is broken."""
    marks = () if promise in OFTEN else (pytest.mark.long,)
    return pytest.param(promise, id=promise.name.replace(" ", "-"), marks=marks)


@pytest.mark.parametrize("promise", [parameter(promise) for promise in PROMISES])
def test_a_broken_promise_is_noticed(tests: WarmPytest, project: Path, promise: Promise) -> None:
    file = project / promise.file
    source = file.read_text(encoding="utf-8")
    assert promise.old in source, f"{promise.old!r} is not in {promise.file}: mend the promise"
    file.write_text(source.replace(promise.old, promise.new), encoding="utf-8")
    # The first test that notices is enough: what is broken may hang many others up to their limits.
    finished, problems = run_tests(tests, project, "-x", promise.test)
    assert finished.code == 1, f"no test noticed that {promise.name!r} was broken: {finished}"
    assert "failure" in problems.values(), f"the code broke before it was tested: {finished}"


def test_generated_requests_get_documented_answers(run: Run) -> None:
    """The full combination has each kind of route; hostile values are among the tests of tools."""
    project = run.project(FULL)
    with tools_tested_inside(project.folder):
        finished = project.tool("pytest", "-m", "schema", "-q", timeout=600)
    finished.must_succeed()
    assert re.search(r"[1-9]\d* passed", finished.output), finished
