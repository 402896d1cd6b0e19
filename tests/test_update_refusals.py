"""`ashlar update` where it cannot be done: a sentence, a next step, and nothing changed."""

from __future__ import annotations

import fcntl
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from ashlar.errors import RefusedError
from tests.checkout import commit, git
from tests.projects import tree
from tests.updating import (
    command,
    make_project,
    make_template,
    module,
    publish,
    rendering_here,
    replace,
    run_update,
    write,
)

ANSWERS = ".copier-answers.yml"
THREADS = "src/app/core/threads.py"
NEW = "src/app/new/new.py"


class Place(NamedTuple):
    """A template with a second version, and a project of its first."""

    template: Path
    project: Path

    def answers(self, old: str, new: str) -> None:
        """Edit the answers by hand, and commit that."""
        replace(self.project, ANSWERS, old, new)
        commit(self.project, "By hand")


class Case(NamedTuple):
    """A bad day: what is different, what is said, and what helps."""

    arrange: Callable[[Place], object]
    sentence: str
    step: str
    data: dict[str, str] | None = None
    to: str | None = None


def dirty(place: Place) -> None:
    replace(place.project, THREADS, 'return "threads_a"', 'return "mine"')


def staged(place: Place) -> None:
    dirty(place)
    git(place.project, "add", "--all")


def unmerged(place: Place) -> None:
    git(place.project, "checkout", "--quiet", "-b", "other")
    replace(place.project, THREADS, 'return "threads_a"', 'return "theirs"')
    commit(place.project, "Theirs")
    git(place.project, "checkout", "--quiet", "main")
    replace(place.project, THREADS, 'return "threads_a"', 'return "mine"')
    commit(place.project, "Mine")
    with pytest.raises(Exception, match="merge"):
        git(place.project, "merge", "--quiet", "other")


def unborn(place: Place) -> None:
    git(place.project, "checkout", "--quiet", "--orphan", "empty")
    git(place.project, "rm", "--quiet", "--cached", "-r", ".")


def no_repository(place: Place) -> None:
    (place.project / ".git").rename(place.project.with_name("gone"))


def untracked(path: str) -> Callable[[Place], None]:
    def arrange(place: Place) -> None:
        write(place.project, {path: "mine\n"})

    return arrange


def ignored(place: Place) -> None:
    write(place.template / "template", {"notes.tmp": "theirs\n"})
    publish(place.template, "1.2.0")
    write(place.project, {"notes.tmp": "mine\n"})


def linked_folder(place: Place) -> None:
    (place.project / "elsewhere").mkdir()
    (place.project / "src/app/new").symlink_to("../../elsewhere")
    commit(place.project, "A link")


def hidden(place: Place) -> None:
    git(place.project, "update-index", "--assume-unchanged", THREADS)
    dirty(place)
    assert git(place.project, "status", "--porcelain") == ""


def sparse(place: Place) -> None:
    git(place.project, "sparse-checkout", "set", "migrations")


def shallow(place: Place) -> None:
    clone = place.template.with_name("shallow")
    git(place.template, "clone", "--quiet", "--depth=1", f"file://{place.template}", str(clone))
    place.answers(str(place.template), str(clone))


def plain_folder(place: Place) -> None:
    (place.template / ".git").rename(place.template.with_name("gone"))


def downgrade(place: Place) -> None:
    run_update(place.project)
    commit(place.project, "Updated")


def with_tasks(place: Place) -> None:
    with (place.template / "copier.yml").open("a") as file:
        file.write("_tasks: ['touch done']\n")
    publish(place.template, "1.2.0")


def nothing(place: Place) -> None:
    """Leave all as it is."""


CASES = {
    "not in git": Case(no_repository, "is not kept in git", "Run `git init`"),
    "nothing committed": Case(unborn, "Nothing is committed yet.", "Run `git add --all`"),
    "an edit": Case(dirty, f"Not committed: {THREADS}. Nothing was changed.", "`git stash`"),
    "a staged edit": Case(staged, f"Not committed: {THREADS}.", "`git stash`"),
    "a merge under way": Case(unmerged, f"Not committed: {THREADS}.", "Commit it"),
    "answers deleted": Case(
        lambda place: (place.project / ANSWERS).unlink(), f"Not committed: {ANSWERS}", "Commit it"
    ),
    "answers gone": Case(
        lambda place: (
            git(place.project, "rm", "--quiet", ANSWERS),
            git(place.project, "commit", "--quiet", "--message=Gone"),
        ),
        f"There is no {ANSWERS} in ",
        f"`git log -- {ANSWERS}`",
    ),
    "answers broken": Case(
        lambda place: place.answers("_commit", "<<<<<<< x\n_commit"),
        f"{ANSWERS} cannot be read: it is broken or has conflicts.",
        "Take it back from git",
    ),
    "answers without the version": Case(
        lambda place: place.answers("_commit: 1.0.0\n", ""),
        f"{ANSWERS} has no _commit: nothing says",
        "Take it back from git",
    ),
    "an answer that is none": Case(
        lambda place: place.answers("title: House", "title: ''"),
        "Validation error for question 'title': Say something. Nothing was changed.",
        f"in --data or in {ANSWERS}",
    ),
    "a relative template": Case(
        lambda place: place.answers(str(place.template), "../template"),
        "names the template by a relative path, ../template.",
        "as a URL or an absolute path, to _src_path",
    ),
    "a template that has moved": Case(
        lambda place: place.template.rename(place.template.with_name("moved")),
        "The template is no longer at ",
        "Write where the template is to _src_path",
    ),
    "a template that is no repository": Case(
        plain_folder, "is not kept in git, or git may not read it", "Write where the template is"
    ),
    "a private template": Case(
        lambda place: place.answers(str(place.template), "https://me:Xq7planted@127.0.0.1:1/t.git"),
        "The template at https://127.0.0.1:1/t.git cannot be read: ",
        "Check the network and your access",
    ),
    "a shallow template": Case(shallow, "is a shallow clone without 1.0.0.", "fetch --unshallow"),
    "an unknown commit": Case(
        lambda place: place.answers("_commit: 1.0.0", "_commit: 0.0.9"),
        "has no version 0.0.9.",
        "Write the version that this project came from to _commit",
    ),
    "an unknown version": Case(
        nothing, "has no version 9.9.9.", "Choose a release (1.0.0, 1.1.0)", to="9.9.9"
    ),
    "an option for a version": Case(nothing, "has no version --all.", "Choose", to="--all"),
    "a downgrade": Case(
        downgrade,
        "1.1.0 is later than 1.0.0: an update goes forward only.",
        "git revert",
        to="1.0.0",
    ),
    "an unknown question": Case(
        nothing, "The template does not ask for use_lamb.", "Correct --data", {"use_lamb": "true"}
    ),
    "a word for yes or no": Case(
        nothing, "takes use_lamp=maybe for true.", "takes true or false", {"use_lamp": "maybe"}
    ),
    "a template that runs programs": Case(
        with_tasks, "Template uses potentially unsafe feature: tasks", "look at the template"
    ),
    "a file in the way": Case(untracked(NEW), f"{NEW} is in the way", "move it elsewhere"),
    "a file for a folder": Case(untracked("src/app/new"), f"{NEW} is in the way", "Commit it"),
    "a folder for a file": Case(untracked(f"{NEW}/a"), f"{NEW} is in the way", "Commit it"),
    "a link for a folder": Case(linked_folder, f"{NEW} is in the way", "move it elsewhere"),
    "an ignored file in the way": Case(ignored, "notes.tmp is in the way", "Commit it, or move"),
    "an edit hidden from git": Case(
        hidden, f"{THREADS} differs from what git has", "`git update-index --no-assume-unchanged"
    ),
    "a sparse checkout": Case(sparse, "this sparse checkout leaves that out", "sparse-checkout"),
}


@pytest.fixture
def place(tmp_path: Path) -> Place:
    """A template whose second version changes a file and adds one, and a project of its first."""
    template = make_template(tmp_path / "template")
    project = make_project(template, tmp_path / "project")
    replace(template / "template", THREADS, 'return "threads_a"', 'return "better"')
    write(template / "template", {NEW: module("new")})
    publish(template, "1.1.0")
    return Place(template, project)


@pytest.fixture(autouse=True)
def _here() -> Iterator[None]:
    with rendering_here():
        yield


@pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
def test_update_is_refused_with_a_sentence_and_changes_nothing(place: Place, case: Case) -> None:
    case.arrange(place)
    before = tree(place.project)

    with pytest.raises(RefusedError) as refused:
        run_update(place.project, case.data, to=case.to)

    assert case.sentence in str(refused.value)
    assert case.step in refused.value.next_step
    assert "planted" not in f"{refused.value}{refused.value.next_step}"
    assert tree(place.project) == before
    if (place.project / ".git").exists():
        state = place.project / ".git/ashlar"
        assert not state.exists() or [path.name for path in state.iterdir()] == ["lock"]


@pytest.mark.parametrize(
    ("programs", "sentence"),
    [
        ({}, "error: git is not installed, or not on the PATH."),
        ({"git": "#!/bin/sh\necho git version 2.37.9\n"}, "error: This is git version 2.37.9"),
    ],
)
def test_update_needs_a_git_that_merges_trees(
    place: Place, tmp_path: Path, programs: dict[str, str], sentence: str
) -> None:
    path = tmp_path / "programs"
    path.mkdir()
    for name, text in programs.items():
        (path / name).write_text(text)
        (path / name).chmod(0o755)
    finished = command(place.project, "update", PATH=str(path))
    assert finished.code == 1
    assert sentence in finished.output
    assert "next: Install git 2.38 or later." in finished.output


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["--data", "use_lamp"], "error: --data wants question=value.\nnext: Write it like"),
        (["--to", "1.1.0", "--step"], "error: --to and --step exclude each other.\nnext: Choose"),
    ],
)
def test_options_are_refused_with_a_sentence(
    place: Place, options: list[str], sentence: str
) -> None:
    finished = command(place.project, "update", *options)
    assert (finished.code, finished.output.startswith(sentence)) == (1, True), finished


def test_two_updates_at_once_are_one_too_many(place: Place) -> None:
    run_update(place.project, dry_run=True)
    with (place.project / ".git/ashlar/lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        with pytest.raises(RefusedError, match="Another `ashlar` is at work in this project"):
            run_update(place.project)
