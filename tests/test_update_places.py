"""`ashlar update` in repositories of every shape, and from templates of every kind."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from ashlar.update import Outcome
from tests.checkout import commit, git
from tests.updating import (
    command,
    make_project,
    make_template,
    module,
    publish,
    rendering_here,
    replace,
    run_update,
    status,
    write,
)

ANSWERS = ".copier-answers.yml"
THREADS = "src/app/core/threads.py"
NEW = "src/app/new.py"
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


def edited(project: Path) -> Path:
    """Edit a file that the next version changes elsewhere."""
    replace(project, THREADS, 'return "threads_f"', 'return "mine"')
    commit(project, "Mine")
    return project


def next_version(template: Path, version: str = "1.1.0", *, tag: bool = True) -> None:
    """Release a version that changes a file and adds one."""
    replace(template / "template", THREADS, 'return "threads_a"', f'return "of {version}"')
    write(template / "template", {NEW: module("new")})
    publish(template, version, tag=tag)


def must_be_merged(project: Path, outcome: Outcome, version: str = "1.1.0") -> None:
    """Look for both sides' changes."""
    assert outcome.merge is not None
    assert not outcome.merge.conflicts
    text = (project / THREADS).read_text()
    assert f'return "of {version}"' in text
    assert 'return "mine"' in text
    assert (project / NEW).read_text() == module("new")
    assert f"_commit: {version}\n" in (project / ANSWERS).read_text()


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


def test_a_template_without_tags_has_the_releases_of_its_commits(
    template: Path, project: Path
) -> None:
    first = git(template, "rev-parse", "--short", "HEAD").strip()
    git(template, "tag", "--delete", "1.0.0")
    replace(project, ANSWERS, "_commit: 1.0.0", f"_commit: {first}")
    commit(project, "As Copier writes it where there is no tag")
    for version in ("1.1.0", "1.2.0rc1", "1.2.0"):
        replace(template / "template", "README.md.jinja", "One.", f"One of {version}.")
        publish(template, version, tag=False)
        replace(template / "template", "README.md.jinja", f"One of {version}.", "One.")
    commit(template, "Not released")

    assert (run_update(project, dry_run=True).before, run_update(project, dry_run=True).after) == (
        "1.0.0",
        "1.2.0",
    )
    step = run_update(project, step=True)
    assert (step.after, step.remaining) == ("1.1.0", 1)
    assert [str(section.version) for section in step.sections] == ["1.1.0"]
    commit(project, "Updated")
    assert run_update(project, to="main", dry_run=True).merge is not None
    last = run_update(project)
    assert (last.before, last.after, last.remaining) == ("1.1.0", "1.2.0", 0)
    assert "One of 1.2.0." in (project / "README.md").read_text()
    commit(project, "Updated")
    assert run_update(project).merge is None


def test_a_template_that_has_moved_is_followed(
    template: Path, project: Path, tmp_path: Path
) -> None:
    next_version(template)
    template.rename(tmp_path / "moved")
    replace(project, ANSWERS, str(template), str(tmp_path / "moved"))
    commit(project, "It has moved")

    must_be_merged(project, run_update(project))


def test_answers_that_were_edited_by_hand_are_new_answers(project: Path) -> None:
    replace(project, ANSWERS, "use_lamp: false", "use_lamp: true")
    commit(project, "By hand")

    outcome = run_update(project)

    assert outcome.merge is not None
    assert (project / "src/app/lamp.py").read_text() == module("lamp")
    commit(project, "Updated")
    assert "use_lamp: true" in (project / ANSWERS).read_text()
    assert not run_update(project, dry_run=True).merge.changed  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("ruff", "said"),
    [
        ("#!/bin/sh\necho broken >&2\nexit 2\n", "the project's ruff failed: broken"),
        ("no program", "the project's ruff cannot run: "),
        (None, "the project has no .venv and no uv.lock that names its ruff"),
    ],
)
def test_a_ruff_that_cannot_run_is_named(
    template: Path, project: Path, ruff: str | None, said: str
) -> None:
    (project / ".git/info/exclude").write_text(".venv\n")
    if ruff:
        write(project, {".venv/bin/ruff": ruff})
        (project / ".venv/bin/ruff").chmod(0o755)
    next_version(template)

    outcome = run_update(project)

    must_be_merged(project, outcome)
    assert outcome.merge is not None
    assert outcome.merge.unformatted.startswith(said)


def test_the_command_shows_what_it_does(template: Path, project: Path) -> None:
    next_version(template)
    replace(template / "template", "README.md.jinja", "Two.", "Two, better.")
    publish(template, "1.2.0", "Security: a hole is closed.")

    shown = command(project, "update", "--dry-run", "--step")
    assert shown.code == 0, shown
    assert "## 1.1.0 (2026-12-01)\n\n- Better.\n" in shown.output
    assert f"add      {NEW}\n" in shown.output
    assert f"merge    {THREADS}: you have edited it, and both changes fit\n" in shown.output
    assert "1.0.0 → 1.1.0: add 1, change 1, merge 1\n" in shown.output
    assert "1 later releases remain" in shown.output
    assert shown.output.endswith("Nothing was changed: this was a dry run.\n")
    assert status(project) == {}

    done = command(project, "update")
    assert done.code == 0, done
    assert "- Security: a hole is closed." in done.output
    assert "Next:\n  git diff --staged" in done.output
    assert status(project).keys() == {THREADS, NEW, ANSWERS, "README.md"}
