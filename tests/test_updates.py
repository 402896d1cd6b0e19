"""Files that `copier update` leaves alone: see test_update_laws.py for what it must do."""

from __future__ import annotations

from pathlib import Path

from tests.checkout import git
from tests.projects import keep_in_git, render, tree, update_project


def test_an_update_to_the_same_version_is_a_no_op(template: Path, tmp_path: Path) -> None:
    project = tmp_path / "project"
    render(template, project)
    keep_in_git(project)
    before = tree(project)
    update_project(project, {})
    assert git(project, "status", "--porcelain") == ""
    assert tree(project) == before


def test_the_first_migration_is_the_users_whatever_became_of_it(
    template: Path, tmp_path: Path
) -> None:
    migration = Path("migrations/versions/0001_initial.py")
    for name in ("changed", "deleted"):
        project = tmp_path / name
        render(template, project)
        if name == "changed":
            (project / migration).write_text("mine = True\n")
        else:
            (project / migration).unlink()
        keep_in_git(project)
        update_project(project, {"include_example": False})
        assert (project / migration).exists() == (name == "changed")
        if name == "changed":
            assert (project / migration).read_text() == "mine = True\n"


def test_a_users_lines_files_and_deletions_survive(template: Path, tmp_path: Path) -> None:
    project = tmp_path / "project"
    render(template, project)
    with (project / "README.md").open("a") as readme:
        readme.write("\nOur own paragraph.\n")
    (project / "src/app/services/ours.py").write_text("OURS = 1\n")
    (project / "compose.yaml").unlink()
    keep_in_git(project)
    update_project(project, {"include_example": False})
    assert (project / "README.md").read_text().endswith("\nOur own paragraph.\n")
    assert (project / "src/app/services/ours.py").read_text() == "OURS = 1\n"
    assert not (project / "compose.yaml").exists()
    assert b"\n<<<<<<<" not in b"\n".join(tree(project).values())
