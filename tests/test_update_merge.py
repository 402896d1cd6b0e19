"""`ashlar update`: what it merges, what it leaves as a conflict, and what it leaves alone."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.checkout import commit, git
from tests.projects import update_project
from tests.updating import (
    command,
    function,
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

KEYS, THREADS = "src/app/core/cache/keys.py", "src/app/core/threads.py"


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
    """A project of its first version."""
    return make_project(template, tmp_path / "project")


def change(template: Path, path: str, name: str) -> None:
    """Have the template say something else in one function, as its next version."""
    replace(template / "template", path, f'return "{name}"', f'return "{name}, better"')


def test_an_edit_follows_a_file_that_the_template_renames(template: Path, project: Path) -> None:
    replace(project, THREADS, 'return "threads_a"', 'return "mine"')
    commit(project, "Mine")
    git(template, "mv", f"template/{THREADS}", "template/src/app/core/blocking.py")
    publish(template, "1.1.0")

    outcome = run_update(project)

    assert outcome.merge is not None
    assert not outcome.merge.conflicts
    assert not (project / THREADS).exists()
    assert 'return "mine"' in (project / "src/app/core/blocking.py").read_text()


def test_a_package_that_the_user_renamed_keeps_up(template: Path, project: Path) -> None:
    git(project, "mv", "src/app/core/cache", "src/app/core/store")
    commit(project, "Rename")
    change(template, KEYS, "keys_b")
    write(template / "template", {"src/app/core/cache/expiry.py": module("expiry")})
    publish(template, "1.1.0")

    outcome = run_update(project)

    assert outcome.merge is not None
    assert not outcome.merge.conflicts
    assert not (project / "src/app/core/cache").exists()
    assert (project / "src/app/core/store/expiry.py").read_text() == module("expiry")
    assert "keys_b, better" in (project / "src/app/core/store/keys.py").read_text()


def test_a_conflict_is_in_the_index_and_in_the_file_as_git_users_know_them(
    template: Path, project: Path
) -> None:
    replace(project, THREADS, 'return "threads_a"', 'return "mine"')
    commit(project, "Mine")
    change(template, THREADS, "threads_a")
    publish(template, "1.1.0")

    finished = command(project, "update")

    assert finished.code == 3, finished
    assert f"conflict {THREADS}: both have changed the same lines" in finished.output
    assert status(project)[THREADS] == "UU"
    stages = git(project, "ls-files", "--unmerged").splitlines()
    assert [line.split()[2] for line in stages] == ["1", "2", "3"]
    text = (project / THREADS).read_text()
    assert "<<<<<<< ashlar/yours\n" in text
    assert ">>>>>>> ashlar/1.1.0\n" in text
    git(project, "checkout", "--quiet", "--ours", THREADS)
    assert 'return "mine"' in (project / THREADS).read_text()
    git(project, "add", "--all")
    git(project, "commit", "--quiet", "--message=Settled")
    assert command(project, "update").output.endswith("1.1.0: nothing to do\n")


def test_an_edited_file_of_an_option_that_is_turned_off_is_a_conflict(
    template: Path, tmp_path: Path
) -> None:
    project = make_project(template, tmp_path / "lit", use_lamp=True)
    replace(project, "src/app/lamp.py", 'return "lamp_a"', 'return "mine"')
    commit(project, "Mine")

    finished = command(project, "update", "--data", "use_lamp=false")

    assert finished.code == 3, finished
    line = "conflict src/app/lamp.py: the template deletes it, and you have edited it\n"
    assert line in finished.output
    assert status(project)["src/app/lamp.py"] == "UD"
    assert 'return "mine"' in (project / "src/app/lamp.py").read_text()


def test_what_the_user_deleted_stays_deleted_and_is_named(template: Path, project: Path) -> None:
    (project / THREADS).unlink()
    commit(project, "Not needed")
    change(template, THREADS, "threads_a")
    publish(template, "1.1.0")

    finished = command(project, "update")

    assert finished.code == 0, finished
    assert f"skip     {THREADS}: you have deleted or moved it" in finished.output
    assert not (project / THREADS).exists()
    assert THREADS not in status(project)


@pytest.mark.parametrize("became", ["edited", "deleted", "squashed"])
def test_migrations_are_the_users(template: Path, project: Path, became: str) -> None:
    folder = project / "migrations/versions"
    first = folder / "0001_initial.py"
    if became == "edited":
        first.write_text("mine = 1\n")
    else:
        first.unlink()
    if became == "squashed":
        (folder / "0001_all.py").write_text(module("initial") + "mine = 1\n")
    commit(project, "Mine")
    before = {path.name: path.read_text() for path in folder.glob("*")}
    change(template, "migrations/versions/0001_initial.py", "initial_a")
    publish(template, "1.1.0")

    outcome = run_update(project)

    assert outcome.merge is not None
    assert not outcome.merge.conflicts
    assert {path.name: path.read_text() for path in folder.glob("*")} == before


RUFF = Path(sys.executable).with_name("ruff")
LONG = 'return "{}, which is a long sentence about nothing in particular" + "and more" + "x"'


def ruff(project: Path, *arguments: str) -> None:
    """Run the project's own ruff."""
    subprocess.run([project / ".venv/bin/ruff", *arguments], cwd=project, check=True)


@pytest.fixture
def narrow(template: Path, tmp_path: Path) -> Path:
    """A project at 88 columns, where the template is at 120, with an edit in a long function."""
    long = (function(f"long_{name}", LONG.format(name)) for name in ("one", "two"))
    text = '"""Long lines."""\n\n\n' + "\n\n".join(long)
    write(template / "template", {"src/app/long.py": text})
    publish(template, "1.0.1")
    project = make_project(template, tmp_path / "narrow")
    run_update(project)
    (project / ".venv/bin").mkdir(parents=True)
    (project / ".venv/bin/ruff").symlink_to(RUFF)
    (project / ".git/info/exclude").write_text(".venv\n")
    replace(project, "pyproject.toml", "line-length = 120", "line-length = 88")
    ruff(project, "format", "--quiet")
    replace(project, "src/app/long.py", "one, which", "mine, which")
    git(project, "add", "--all")
    git(project, "commit", "--quiet", "--message=At 88 columns")
    return project


def test_a_project_in_another_style_has_no_conflicts(template: Path, narrow: Path) -> None:
    replace(template / "template", "src/app/long.py", "two, which", "two, better, which")
    longer = (template / "template/src/app/long.py").read_text().replace("long", "longer")
    write(template / "template", {"src/app/longer.py": longer})
    publish(template, "1.1.0")

    outcome = run_update(narrow)

    assert outcome.merge is not None
    assert not outcome.merge.conflicts
    assert not outcome.merge.unformatted
    text = (narrow / "src/app/long.py").read_text()
    assert "mine, which" in text
    assert "two, better, which" in text
    ruff(narrow, "format", "--check")


def test_a_template_in_a_new_style_has_no_conflicts(template: Path, project: Path) -> None:
    long = (function(f"long_{name}", LONG.format(name)) for name in ("one", "two"))
    text = '"""Long lines."""\n\n\n' + "\n\n".join(long)
    write(template / "template", {"src/app/long.py": text})
    publish(template, "1.0.1")
    run_update(project)
    replace(project, "src/app/long.py", "one, which", "mine, which")
    (project / ".venv/bin").mkdir(parents=True)
    (project / ".venv/bin/ruff").symlink_to(RUFF)
    (project / ".git/info/exclude").write_text(".venv\n")
    git(project, "add", "--all")
    git(project, "commit", "--quiet", "--message=Mine")
    replace(template / "template", "pyproject.toml", "line-length = 120", "line-length = 60")
    subprocess.run([RUFF, "format", "--quiet"], cwd=template / "template", check=True)
    publish(template, "1.1.0")

    outcome = run_update(project)

    assert outcome.merge is not None
    assert not outcome.merge.conflicts
    assert "mine, which" in (project / "src/app/long.py").read_text()
    # A file without edits is as in a fresh copy.
    for path in (THREADS, "pyproject.toml"):
        assert (project / path).read_text() == (template / "template" / path).read_text()


@pytest.mark.parametrize("text", ["* text=auto\n", None])
def test_a_project_with_other_line_ends_has_no_conflicts(
    template: Path, project: Path, text: str | None
) -> None:
    replace(project, THREADS, 'return "threads_f"', 'return "mine"')
    for name in git(project, "ls-files").split():
        file = project / name
        file.write_bytes(file.read_bytes().replace(b"\n", b"\r\n"))
    if text:
        (project / ".gitattributes").write_text(text)
    commit(project, "CRLF")
    assert git(project, "status", "--porcelain") == ""
    change(template, THREADS, "threads_a")
    change(template, KEYS, "keys_a")
    write(template / "template", {"src/app/new.py": module("new")})
    publish(template, "1.1.0")

    outcome = run_update(project)

    assert outcome.merge is not None
    assert not outcome.merge.conflicts
    found = (project / THREADS).read_bytes()
    assert b'"mine"' in found
    assert b'"threads_a, better"' in found
    if text is None:
        for path in (THREADS, KEYS, "src/app/new.py", ".copier-answers.yml"):
            content = (project / path).read_bytes()
            assert content.count(b"\r\n") == content.count(b"\n"), path


def test_answers_are_written_as_copier_writes_them(template: Path, project: Path) -> None:
    copied = project.with_name("copied")
    shutil.copytree(project, copied)
    replace(template, "copier.yml", "use_lamp:", "new: {type: str, default: x}\nuse_lamp:")
    publish(template, "1.1.0")

    outcome = run_update(project, {"use_lamp": "yes"})
    update_project(copied, {"use_lamp": True})

    assert outcome.answered == {"new": "x"}
    expected = (copied / ".copier-answers.yml").read_text()
    assert (project / ".copier-answers.yml").read_text() == expected
    commit(project, "Updated")
    write(template / "template", {"more.txt": "more\n"})
    publish(template, "1.2.0")
    update_project(project, {})
    assert (project / "more.txt").exists()
