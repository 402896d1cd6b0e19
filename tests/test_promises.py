"""The rendered suite can fail: for each promise, the code is broken and the named test notices."""

from __future__ import annotations

import re
import shutil
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests.combinations import FULL
from tests.inside import add_tests_of_tools
from tests.projects import Finished, Project, Run
from tests.promises import PROMISES, Promise

pytestmark = pytest.mark.promises

# Bytecode is copied: it is found by the source's time and size, and compiling takes a second.
NOT_COPIED = shutil.ignore_patterns(".git", ".*_cache")


@pytest.fixture
def project(run: Run, tmp_path: Path) -> Iterator[Project]:
    """A copy of the full project to break, on the dependencies of the one that is shared."""
    shared = run.project(FULL)
    copy = tmp_path / "project"
    shutil.copytree(shared.folder, copy, ignore=NOT_COPIED)
    add_tests_of_tools(copy)
    yield replace(shared, folder=copy)
    shutil.rmtree(copy)


def run_tests(project: Project, *nodes: str) -> tuple[Finished, dict[str, str]]:
    """Run nodes of the suite in `project`.

    Returns:
        How it ended, and by the name of each test that did not pass what was the matter: "failure"
        for an assertion, "error" for a fixture or an import.
    """
    report = project.folder.parent / "report.xml"
    python = project.venv / "bin" / "python"
    # The shared environment knows the shared sources; PYTHONPATH comes first.
    finished = project.run(
        str(python), "-m", "pytest", "-q", "-m", "not schema", f"--junitxml={report}", *nodes,
        PYTHONPATH=f"{project.folder / 'src'}:{project.folder / 'devtools' / 'src'}",
    )  # fmt: skip
    problems = {}
    if report.exists():
        for case in ET.parse(report).iter("testcase"):  # noqa: S314 - pytest has just written it
            for kind in ("failure", "error"):
                if case.find(kind) is not None:
                    problems[case.attrib["name"]] = kind
    return finished, problems


def test_the_promised_tests_pass_as_long_as_nothing_is_broken(project: Project) -> None:
    nodes = list(dict.fromkeys(promise.test for promise in PROMISES))
    finished, problems = run_tests(project, *nodes)
    assert (finished.code, problems) == (0, {}), finished


@pytest.mark.parametrize("promise", PROMISES, ids=lambda promise: promise.name.replace(" ", "-"))
def test_a_broken_promise_is_noticed(project: Project, promise: Promise) -> None:
    file = project.folder / promise.file
    source = file.read_text(encoding="utf-8")
    assert promise.old in source, f"{promise.old!r} is not in {promise.file}: mend the promise"
    file.write_text(source.replace(promise.old, promise.new), encoding="utf-8")
    # The first test that notices is enough: what is broken may hang many others up to their limits.
    finished, problems = run_tests(project, "-x", promise.test)
    assert finished.code == 1, f"nobody noticed that {promise.name!r} was broken: {finished}"
    assert "failure" in problems.values(), f"the code broke before it was tested: {finished}"


def test_generated_requests_get_documented_answers(run: Run) -> None:
    """Everything an API can have is in the full combination."""
    finished = run.project(FULL).tool("pytest", "-m", "schema", "-q", timeout=600)
    finished.must_succeed()
    assert re.search(r"[1-9]\d* passed", finished.output), finished
