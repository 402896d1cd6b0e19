"""A copy into a folder that has files: the user's files stay, and a sentence says why.

Left to itself, Copier renders up to the first file in the way; there it asks (Enter overwrites) or,
without a terminal, stops with half a project. A computed first question in copier.yml looks first.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import copier
import pytest
import yaml
from copier.errors import UserMessageError

from tests.projects import keep_in_git, render, tree


def copy(template: Path, *arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "copier", "copy", *arguments[:-1], str(template), arguments[-1]],
        cwd=cwd,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize(
    ("name", "occupied"),
    [
        ("project", "README.md"),
        ("project", ".gitignore"),
        ("project", "src/app/main.py"),
        ("project", ".github/workflows/ci.yml"),
        ("project", "src"),
        ("sp ace", "LICENSE"),
        ("[a]*?", "LICENSE"),
    ],
)
def test_nothing_is_asked_and_nothing_is_written(
    template: Path, tmp_path: Path, name: str, occupied: str
) -> None:
    file = tmp_path / name / occupied
    file.parent.mkdir(parents=True)
    file.write_text("mine\n")
    refused = copy(template, name, cwd=tmp_path)
    assert refused.returncode == 1
    assert (
        f"nothing written: {occupied} is in the way; choose an empty folder, or" in refused.stderr
    )
    assert len(refused.stderr.splitlines()) == 1
    assert tree(tmp_path / name) == {occupied: b"mine\n"}


def test_the_current_folder_is_looked_at_too(template: Path, tmp_path: Path) -> None:
    (tmp_path / "LICENSE").write_text("mine\n")
    refused = copy(template, "--defaults", ".", cwd=tmp_path)
    assert "nothing written: LICENSE is in the way" in refused.stderr
    assert tree(tmp_path) == {"LICENSE": b"mine\n"}


def test_files_that_are_not_in_the_way_stay(template: Path, tmp_path: Path) -> None:
    project = tmp_path / "project"
    project.mkdir()
    (project / "notes.txt").write_text("mine\n")
    keep_in_git(project)
    assert copy(template, "--defaults", "project", cwd=tmp_path).returncode == 0
    assert (project / "notes.txt").read_text() == "mine\n"
    assert (project / "src/app/main.py").is_file()


def test_overwrite_is_the_users_word(template: Path, tmp_path: Path) -> None:
    (tmp_path / "project").mkdir()
    (tmp_path / "project/README.md").write_text("mine\n")
    done = copy(template, "--defaults", "--overwrite", "project", cwd=tmp_path)
    assert done.returncode == 0
    assert (tmp_path / "project/README.md").read_text() != "mine\n"


def test_the_same_copy_again_changes_nothing(template: Path, tmp_path: Path) -> None:
    """The answers file tells that what is in the way is ours; Copier passes identical files."""
    render(template, tmp_path / "project")
    before = tree(tmp_path / "project")
    assert copy(template, "--defaults", "project", cwd=tmp_path).returncode == 0
    assert tree(tmp_path / "project") == before


def test_without_the_guard_copier_would_stop_half_way(template: Path, tmp_path: Path) -> None:
    """Why the guard is there; when this fails, Copier has learned it and the guard can go."""
    unguarded = tmp_path / "template"
    shutil.copytree(template / "template", unguarded / "template")
    configuration = yaml.safe_load((template / "copier.yml").read_text())
    del configuration["folder_is_free"]
    (unguarded / "copier.yml").write_text(yaml.safe_dump(configuration, sort_keys=False))
    # Copier walks the folder in the file system's own order.
    files = [path.name for path in (unguarded / "template").iterdir() if path.is_file()]
    last = [name.removesuffix(".jinja") for name in files if "{" not in name][-1]
    (tmp_path / "project").mkdir()
    (tmp_path / "project" / last).write_text("mine\n")
    stopped = copy(unguarded, "--defaults", "project", cwd=tmp_path)
    assert "Consider using `--overwrite`" in stopped.stderr
    assert len(tree(tmp_path / "project")) > 1


def test_the_guard_is_one_sentence_for_programs_too(template: Path, tmp_path: Path) -> None:
    (tmp_path / "README.md").write_text("mine\n")
    with pytest.raises(UserMessageError, match=r"README\.md is in the way"):
        copier.run_copy(str(template), tmp_path, defaults=True, quiet=True)
