"""docs/updating.md: its session is run, command by command, and says what the page says."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.checkout import ROOT, commit, git, take_snapshot
from tests.combinations import EXAMPLE, OLDEST_PYTHON, Combination, Depth
from tests.edits import change_what_the_template_changes, next_version
from tests.interpreters import find_interpreter
from tests.pages import must_show, session
from tests.projects import Project, render

pytestmark = pytest.mark.laws

PAGE = (ROOT / "docs/updating.md").read_text(encoding="utf-8")
CONFLICTS_LEFT = 3


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """The page's starting point: a project of 0.1.0 with Stripe, and two edits."""
    template, folder = tmp_path / "template", tmp_path / "project"
    take_snapshot(template)
    next_version(template)
    commit(template, "The next version", tag="0.2.0")
    with_stripe = Combination(
        on=frozenset({"stripe", EXAMPLE}), depth=Depth.RENDERED, interpreters=()
    )
    render(template, folder, with_stripe.answers, version="0.1.0")
    git(folder, "init", "--quiet", "--initial-branch=main")
    commit(folder, "Rendered")
    change_what_the_template_changes(folder)
    with (folder / "src/app/services/refunds.py").open("a", encoding="utf-8") as file:
        file.write("\n# Ours.\n")
    commit(folder, "Ours")
    interpreter = find_interpreter(OLDEST_PYTHON)
    assert interpreter
    made = Project(
        folder=folder, interpreter=interpreter, venv=tmp_path / "venv", temporary_folder=tmp_path
    )
    made.run("uv", "sync", "--quiet").must_succeed()
    git(folder, "add", "--all")
    git(folder, "commit", "--quiet", "--message=Synced")
    return made


def test_the_session_is_as_the_page_shows_it(project: Project) -> None:
    commands = session(PAGE)
    assert len(commands) > 5
    for command, expected in commands:
        finished = project.run("bash", "-c", command)
        left = CONFLICTS_LEFT if "app update" in command else 0
        assert finished.code == left, finished
        must_show(finished.output, expected, command)
    assert git(project.folder, "diff", "--name-only", "--diff-filter=U") == ""
    commit(project.folder, "Updated")
    assert project.tool("app", "update", "--dry-run").output.endswith("0.2.0: nothing to do\n")


def test_every_sentence_of_the_table_is_one_of_the_command() -> None:
    source = "".join(path.read_text() for path in (ROOT / "src/ashlar").glob("*.py"))
    table = PAGE.partition("| What you see |")[2]
    quoted = re.findall(r"^\| `([^`]+)`", table, re.MULTILINE)
    assert len(quoted) > 4
    for sentence in quoted:
        for part in re.split(r"…|use_redis=maybe|true|\.copier-answers\.yml", sentence):
            assert part.strip(" :.") in source, sentence
