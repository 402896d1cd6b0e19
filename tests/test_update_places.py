"""`ashlar update` in repositories of every shape."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.checkout import commit, git
from tests.updating import (
    ANSWERS,
    NEW,
    THREADS,
    edited,
    make_project,
    make_template,
    must_be_merged,
    next_version,
    rendering_here,
    replace,
    run_update,
    status,
    write,
)

HOOKS = ("pre-commit", "post-checkout", "post-index-change", "reference-transaction", "pre-auto-gc")


@pytest.fixture(autouse=True)
def _here() -> Iterator[None]:
    with rendering_here():
        yield


@pytest.fixture
def template(tmp_path: Path) -> Path:
    """The small template."""
    return make_template(tmp_path / "template")


@pytest.fixture
def project(template: Path, tmp_path: Path) -> Path:
    """A project of its first version, with an edit."""
    return edited(make_project(template, tmp_path / "project"))


def in_worktree(project: Path) -> Path:
    other = project.with_name("worktree")
    git(project, "worktree", "add", "--quiet", "-b", "other", str(other))
    return other


def in_submodule(project: Path) -> Path:
    outer = project.with_name("outer")
    outer.mkdir()
    git(outer, "init", "--quiet")
    allow = ("-c", "protocol.file.allow=always")
    git(outer, *allow, "submodule", "--quiet", "add", str(project), "inner")
    commit(outer, "With a submodule")
    return outer / "inner"


def detached(project: Path) -> Path:
    git(project, "checkout", "--quiet", "--detach")
    return project


def with_settings(*pairs: str) -> Callable[[Path], Path]:
    def arrange(project: Path) -> Path:
        for pair in pairs:
            git(project, "config", *pair.split("="))
        return project

    return arrange


def below(project: Path) -> Path:
    return project / "src/app"


def with_other_files(project: Path) -> Path:
    write(project, {"notes.txt": "mine\n", "notes.tmp": "ignored\n", "src/app/own.py": "own = 1\n"})
    return project


def crlf_in_the_work_tree(project: Path) -> Path:
    git(project, "config", "core.autocrlf", "true")
    git(project, "rm", "--quiet", "--cached", "-r", ".")
    git(project, "reset", "--quiet", "--hard")
    assert b"\r\n" in (project / THREADS).read_bytes()
    return project


def sparse(project: Path) -> Path:
    write(project, {"docs/a.md": "a\n"})
    commit(project, "Docs")
    git(project, "sparse-checkout", "set", "src", "migrations")
    return project


PLACES: dict[str, Callable[[Path], Path]] = {
    "a worktree": in_worktree,
    "a submodule": in_submodule,
    "no branch": detached,
    "signing without a key": with_settings("commit.gpgSign=true", "gpg.program=/no"),
    "modes that git ignores": with_settings("core.fileMode=false"),
    "odd settings": with_settings(
        "diff.noprefix=true",
        "merge.conflictStyle=diff3",
        "merge.renames=false",
        "diff.renames=false",
    ),
    "a folder below": below,
    "files that git does not have": with_other_files,
    "CRLF in the work tree alone": crlf_in_the_work_tree,
    "a sparse checkout that has the project": sparse,
}


@pytest.mark.parametrize("arrange", PLACES.values(), ids=PLACES.keys())
def test_update_merges_wherever_the_project_is(
    template: Path, project: Path, arrange: Callable[[Path], Path]
) -> None:
    place = arrange(project)
    next_version(template)
    others = {path for path, state in status(project).items() if state == "??"}

    outcome = run_update(place)

    top = Path(git(place, "rev-parse", "--show-toplevel").strip())
    must_be_merged(top, outcome)
    assert {path for path, state in status(project).items() if state == "??"} == others
    staged = {path for path, state in status(top).items() if state != "??"}
    assert staged == {THREADS, NEW, ANSWERS}
    assert git(top, "diff", "--name-only") == ""


def test_update_runs_no_hook(template: Path, project: Path) -> None:
    next_version(template)
    ran = project.with_name("ran")
    for name in HOOKS:
        hook = project / ".git/hooks" / name
        hook.write_text(f"#!/bin/sh\necho {name} >> {ran}\necho rewritten >> README.md\nexit 1\n")
        hook.chmod(0o755)

    outcome = run_update(project)

    assert not ran.exists()
    must_be_merged(project, outcome)
    assert (
        project / "README.md"
    ).read_text() == "# House\n\nOne.\n\nTwo.\n\nThree.\n\nFour.\n\nFive.\n"


def test_a_project_in_a_folder_of_a_repository_is_updated_alone(
    template: Path, tmp_path: Path
) -> None:
    house = tmp_path / "house"
    projects = [make_project(template, house / each) for each in ("a", "b", "b/inner")]
    for each in projects:
        git(each, "status", "--porcelain")
        (each / ".git").rename(tmp_path / f"git-of-{each.name}")
    git(house, "init", "--quiet", "--initial-branch=main")
    replace(house / "b", THREADS, 'return "threads_f"', 'return "mine"')
    # The same file is elsewhere: it has not moved there.
    (house / "b" / "src/app/main.py").unlink()
    commit(house, "All of them")
    replace(template / "template", "src/app/main.py", 'return "main_a"', 'return "better"')
    next_version(template)
    write(house, {"a/README.md": "not committed\n", "staged.txt": "staged\n"})
    git(house, "add", "--all")
    before = {str(each): git(house, "ls-files", "--stage", each) for each in ("a", "b/inner")}

    outcome = run_update(house / "b")

    must_be_merged(house / "b", outcome)
    assert outcome.merge is not None
    assert outcome.merge.skipped == ("src/app/main.py",)
    assert before == {str(each): git(house, "ls-files", "--stage", each) for each in before}
    assert status(house)["staged.txt"] == "A "
    assert "a/README.md" in status(house)


def test_a_folder_of_two_templates_is_updated_by_one(template: Path, project: Path) -> None:
    other = ".copier-answers.other.yml"
    write(project, {other: "_commit: 3\n_src_path: /elsewhere\n", "theirs.txt": "other\n"})
    git(project, "mv", ANSWERS, ".copier-answers.house.yml")
    commit(project, "Two templates")
    next_version(template)

    outcome = run_update(project, answers_file=".copier-answers.house.yml")

    (project / ".copier-answers.house.yml").rename(project / ANSWERS)
    must_be_merged(project, outcome)
    assert (project / other).read_text() == "_commit: 3\n_src_path: /elsewhere\n"
    assert (project / "theirs.txt").exists()
