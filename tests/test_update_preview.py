"""`app update-preview` says what Copier then does, and what Copier says, better."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests.checkout import commit, git
from tests.combinations import FULL
from tests.projects import Finished, Project, Run, keep_in_git, update_project

pytestmark = pytest.mark.laws

ANSWERS = ".copier-answers.yml"
EDITED = "src/app/services/items.py"


@pytest.fixture
def project(run: Run, tmp_path: Path) -> Iterator[Project]:
    """A project whose user has edited a file of the example and one that everybody has."""
    shared = run.project(FULL)
    folder = tmp_path / "project"
    shutil.copytree(run.rendered(FULL), folder)
    for name in (EDITED, "README.md"):
        with (folder / name).open("a") as file:
            file.write("\n# Ours.\n")
    keep_in_git(folder)
    yield replace(shared, folder=folder)
    shutil.rmtree(folder)


def preview(project: Project, *options: str) -> Finished:
    """Run the command with the Copier that these tests have, which is first on the path."""
    # The shared environment knows the shared sources; PYTHONPATH comes first.
    return project.run(
        str(project.venv / "bin" / "python"),
        "-c",
        "from app.cli import run; run()",
        "update-preview",
        *options,
        PYTHONPATH=str(project.folder / "src"),
        PATH=f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
    )


def test_what_is_shown_is_what_happens(project: Project) -> None:
    finished = preview(project, "--data", "include_example=false")

    assert finished.code == 1, finished
    assert f"lose     {EDITED}: " in finished.output
    assert f"git checkout HEAD -- {EDITED}" in finished.output
    assert git(project.folder, "status", "--porcelain") == ""
    shown: dict[str, set[str]] = {}
    for line in finished.output.splitlines():
        effect, _, rest = line.partition(" ")
        shown.setdefault(effect, set()).add(rest.strip().partition(":")[0])
    update_project(project.folder, {"include_example": False})
    gone = git(project.folder, "ls-files", "--deleted").splitlines()
    assert shown["delete"] | shown["lose"] == set(gone)
    assert shown["lose"] == {EDITED}
    touched = set(git(project.folder, "diff", "--name-only").splitlines()) - {*gone, ANSWERS}
    assert shown["change"] | shown["merge"] == touched
    assert shown["merge"] == {"README.md"} & touched


def test_an_update_that_does_nothing_loses_nothing(project: Project) -> None:
    finished = preview(project)
    assert (finished.code, finished.output) == (0, "0.1.0: nothing to do\n"), finished


def test_what_the_template_changes_in_a_file_that_was_moved_is_named(
    project: Project, template: Path, tmp_path: Path
) -> None:
    newer = tmp_path / "template"
    git(tmp_path, "clone", "--quiet", str(template), str(newer))
    tests = Path("tests/unit/core")
    moved, own = tests / "test_threads.py", tests / "test_blocking_calls.py"
    with (newer / "template" / moved).open("a") as file:
        file.write("\n# Mended.\n")
    commit(newer, "Mend", tag="99.0.0")
    path = project.folder / ANSWERS
    path.write_text(path.read_text().replace(str(template), str(newer)))
    (project.folder / moved).rename(project.folder / own)
    commit(project.folder, "Move")
    before = (project.folder / own).read_text()

    finished = preview(project)

    assert finished.code == 0, finished
    assert f"\nskip     {moved}: you have deleted or moved it" in f"\n{finished.output}"
    update_project(project.folder, {}, version="99.0.0")
    assert not (project.folder / moved).exists()
    assert (project.folder / own).read_text() == before


@pytest.mark.parametrize(
    ("answers", "options", "sentence"),
    [
        ("", "--vcs-ref 9.9.9", "has no version 9.9.9."),
        ("s/^_commit: .*/_commit: 0.0.9/", "", "has no version 0.0.9."),
        ("s#^_src_path: .*#_src_path: https://127.0.0.1:1/t.git#", "", "unable to access"),
        ("s/^license: .*/license: GPL-2.0/", "", "Invalid choice for 'license': 'GPL-2.0'"),
        ("s/^project_name: .*/project_name: ','/", "", "'project_name': Use a letter or a digit"),
        ("", "--data include_example=maybe", "takes include_example=maybe for true."),
    ],
)
def test_bad_input_is_a_sentence_and_changes_nothing(
    answers: str, options: str, sentence: str, project: Project
) -> None:
    project.run("sed", "-i.old", answers, ANSWERS).must_succeed()
    (project.folder / f"{ANSWERS}.old").unlink()
    commit(project.folder, "Edit the answers")

    finished = preview(project, *options.split())

    assert finished.code == 1
    assert sentence in finished.output
    assert "\nnext: " in finished.output
    assert "Traceback" not in finished.output
    assert git(project.folder, "status", "--porcelain") == ""


def test_a_downgrade_is_a_sentence(project: Project, template: Path, tmp_path: Path) -> None:
    newer = tmp_path / "template"
    git(tmp_path, "clone", "--quiet", str(template), str(newer))
    commit(newer, "Later", tag="99.0.0")
    path = project.folder / ANSWERS
    text = path.read_text().replace(str(template), str(newer))
    path.write_text(text.replace("_commit: 0.1.0", "_commit: 99.0.0"))
    commit(project.folder, "Follow the newer one")

    finished = preview(project, "--vcs-ref", "0.1.0")

    assert finished.code == 1
    assert "You are downgrading from 99.0.0 to 0.1.0." in finished.output
    assert "next: Choose a version that is not older" in finished.output
