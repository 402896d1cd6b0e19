"""The first of the laws of `copier update`: nothing moves unless an answer or the template did."""

from __future__ import annotations

from pathlib import Path

import copier
import pytest

from tests.checkout import commit, git
from tests.combinations import FULL, OPTIONS, Combination, Depth, Option
from tests.projects import Run, keep_in_git, render, tree

# Scaffolded once and the user's ever after; the answers file names the version it came from.
NOT_COMPARED = (".git", ".copier-answers.yml")


def update(project: Path, **answers: object) -> None:
    """Update as `copier update --defaults --data …` does."""
    copier.run_update(project, data=answers, defaults=True, overwrite=True, quiet=True)


def without_migrations(files: dict[str, bytes]) -> dict[str, bytes]:
    return {
        path: data for path, data in files.items() if not path.startswith("migrations/versions")
    }


def test_an_update_to_the_same_version_is_a_no_op(template: Path, tmp_path: Path) -> None:
    project = tmp_path / "project"
    render(template, project)
    keep_in_git(project)
    before = tree(project)
    update(project)
    assert git(project, "status", "--porcelain") == ""
    assert tree(project) == before


@pytest.mark.parametrize("option", OPTIONS, ids=lambda option: option.question)
def test_flipping_an_option_equals_a_fresh_copy_both_ways(
    run: Run, template: Path, tmp_path: Path, option: Option
) -> None:
    flipped = Combination(on=FULL.on - {option.label}, depth=Depth.RENDERED, interpreters=())
    project = tmp_path / "project"
    render(template, project, FULL.answers)
    keep_in_git(project)
    for combination in (flipped, FULL):
        update(project, **{option.question: option.label in combination.on})
        commit(project, combination.id)
        fresh = run.rendered(combination)
        assert without_migrations(tree(project, without=NOT_COMPARED)) == without_migrations(
            tree(fresh, without=NOT_COMPARED)
        )
        left = [path for path in project.rglob("*") if path.is_dir() and not any(path.iterdir())]
        assert [path for path in left if ".git" not in path.parts] == []


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
        update(project, include_example=False)
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
    update(project, include_example=False)
    assert (project / "README.md").read_text().endswith("\nOur own paragraph.\n")
    assert (project / "src/app/services/ours.py").read_text() == "OURS = 1\n"
    assert not (project / "compose.yaml").exists()
    assert b"<<<<<<<" not in b"".join(tree(project).values())
