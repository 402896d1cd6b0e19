"""`ashlar update` from templates of every kind, and to each of their versions."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.checkout import commit, git
from tests.updating import (
    ANSWERS,
    NEW,
    THREADS,
    command,
    edited,
    make_project,
    make_template,
    module,
    must_be_merged,
    next_version,
    publish,
    rendering_here,
    replace,
    run_update,
    status,
    write,
)


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
