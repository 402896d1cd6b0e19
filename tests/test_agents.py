"""AGENTS.md of a rendered project: short, and each command, path and name in it works."""

from __future__ import annotations

import re
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from tests.combinations import FULL
from tests.projects import Project, Run

MOST_LINES = 40
TEXT = (Path(__file__).parents[1] / "template" / "AGENTS.md").read_text(encoding="utf-8")
(BLOCK,) = re.findall(r"^```sh\n(.*?)^```$", TEXT, re.DOTALL | re.MULTILINE)
COMMANDS = [line.partition(" # ")[0].strip() for line in BLOCK.splitlines()]
COMMANDS += re.findall(r"`(uv run [^`]+)`", TEXT)
QUOTED = re.findall(r"`([^`\n]+)`", TEXT.replace(BLOCK, ""))


@pytest.fixture(scope="module")
def project(run: Run, tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A copy of the project, which commands may change."""
    shared = run.project(FULL)
    folder = tmp_path_factory.mktemp("agents") / "project"
    shutil.copytree(shared.folder, folder)
    return replace(shared, folder=folder, venv=folder / ".venv")


def test_agents_md_is_short_and_claude_md_points_to_it(run: Run) -> None:
    assert len(TEXT.splitlines()) <= MOST_LINES
    rendered = run.rendered(FULL)
    assert (rendered / "AGENTS.md").read_text(encoding="utf-8") == TEXT
    assert (rendered / "CLAUDE.md").read_text(encoding="utf-8") == "@AGENTS.md\n"


def parameter(command: str) -> object:
    """Return a command as a parameter; these take long, and are run elsewhere, too."""
    takes_long = command in {"uv run mypy", "uv run pytest -m schema"}
    return pytest.param(command, marks=(pytest.mark.long,) if takes_long else ())


@pytest.mark.parametrize("command", [parameter(command) for command in COMMANDS])
def test_a_command_of_agents_md_works(project: Project, command: str) -> None:
    """Some tests are enough for pytest: the whole suite is run on each combination."""
    chosen = "-k 'test_exceptions or test_every_answer'" if "pytest" in command else ""
    project.run("sh", "-ec", command, PYTEST_ADDOPTS=chosen).must_succeed()


def test_the_paths_and_names_of_agents_md_are_there(project: Project) -> None:
    paths = [each for each in QUOTED if re.fullmatch(r"[\w.]+(/[\w./]*)?", each) and "/" in each]
    paths += [each for each in QUOTED if re.fullmatch(r"(\.\w+)+|[A-Z]+\.md", each)]
    assert len(paths) >= 8
    assert [path for path in paths if not (project.folder / path).exists()] == []
    names = [each for each in QUOTED if re.fullmatch(r"app(\.\w+)+", each)]
    source = f"import {', '.join(names)}\nfrom app.core.uow import UnitOfWork\n"
    source += "".join(f"UnitOfWork.{each}\n" for each in re.findall(r"`uow\.(\w+)\(", TEXT))
    project.run("uv", "run", "python", "-c", source).must_succeed()
