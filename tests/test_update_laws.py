"""The laws of `ashlar update` and `copier update`, over every single flip of every option.

    update(copy(A), B) == copy(B)      but for migrations/versions, which is the user's
    update(update(copy(A), B), B) == update(copy(A), B)
    update(update(copy(A), B), A) == copy(A)

The first is checked for each pair of neighbours among all choices of options, in one direction or
the other: every option is turned on, or off, beside every choice of the others.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping
from itertools import chain, combinations
from pathlib import Path
from typing import Any

import pytest

from tests.combinations import BARE, FULL, OPTIONS, Combination, Depth
from tests.projects import Run, keep_in_git, tree, update_project
from tests.updating import renders_at_hand, run_update

Update = Callable[[Path, Mapping[str, Any]], None]

# Rendered once, by `copy`; from then on the user's.
MIGRATIONS = "migrations/versions"


def choice(on: frozenset[str]) -> Combination:
    """Return the combination with these options on."""
    return Combination(on=on, depth=Depth.RENDERED, interpreters=())


LABELS = [option.label for option in OPTIONS]
CHOICES = [
    frozenset(on)
    for on in chain.from_iterable(combinations(LABELS, size) for size in range(len(LABELS) + 1))
]
# Of two neighbours, the one with an even number of options on is where the update starts.
FLIPS = [
    (choice(on), choice(on ^ {label})) for on in CHOICES if len(on) % 2 == 0 for label in LABELS
]
# Those next to everything, both ways, and from nothing to everything: what every run looks at.
RETURNS = [
    *((FULL, choice(FULL.on - {label})) for label in LABELS),
    (BARE, FULL),
]


def name(flip: tuple[Combination, Combination]) -> str:
    """Return the id of a test: from which combination to which."""
    return f"{flip[0].id} to {flip[1].id}"


def copy_of(run: Run, combination: Combination, folder: Path) -> Path:
    """Return a fresh copy of a combination, committed as its user would."""
    shutil.copytree(run.rendered(combination), folder)
    keep_in_git(folder)
    return folder


def contents(project: Path) -> dict[str, bytes]:
    """Return what the laws compare; the record of answers is a part of it."""
    files = tree(project)
    return {path: data for path, data in files.items() if not path.startswith(MIGRATIONS)}


def must_equal(project: Path, combination: Combination, run: Run) -> None:
    """Compare an updated project with a fresh copy, empty folders included."""
    fresh = run.rendered(combination)
    updated, expected = contents(project), contents(fresh)
    assert sorted(updated) == sorted(expected)
    assert [path for path in expected if updated[path] != expected[path]] == []
    empty = [path for path in project.rglob("*") if path.is_dir() and not any(path.iterdir())]
    assert [path for path in empty if ".git" not in path.parts] == []


def with_copier(flip: tuple[Combination, Combination]) -> object:
    """Return a flip by `copier update`: renders take its time, so the everyday run has a few."""
    few = not flip[0].on
    return pytest.param(flip, id=name(flip), marks=() if few else (pytest.mark.long,))


@pytest.mark.laws
@pytest.mark.parametrize("flip", FLIPS, ids=name)
def test_an_update_equals_a_fresh_copy(
    run: Run, tmp_path: Path, flip: tuple[Combination, Combination]
) -> None:
    before, after = flip
    must_lead_to_a_fresh_copy(run, tmp_path / "project", flip, by_ashlar(run, before, after))


@pytest.mark.laws
@pytest.mark.parametrize("flip", [with_copier(flip) for flip in FLIPS])
def test_an_update_by_copier_equals_a_fresh_copy(
    run: Run, tmp_path: Path, flip: tuple[Combination, Combination]
) -> None:
    must_lead_to_a_fresh_copy(run, tmp_path / "project", flip, update_project)


def must_lead_to_a_fresh_copy(
    run: Run, project: Path, flip: tuple[Combination, Combination], update: Update
) -> None:
    """Update a copy of the first and compare it with one of the second."""
    before, after = flip
    copy_of(run, before, project)
    migrations = tree(project / MIGRATIONS)
    update(project, after.answers)
    must_equal(project, after, run)
    assert tree(project / MIGRATIONS) == migrations


def by_ashlar(
    run: Run, before: Combination, after: Combination, earlier: Combination | None = None
) -> Update:
    """Return what updates as `ashlar update --data …` does, from renders that are shared."""

    def update(project: Path, answers: Mapping[str, Any]) -> None:
        data = {name: str(on).lower() for name, on in answers.items()}
        at_first = run.rendered(earlier) if earlier else None
        with renders_at_hand(run.rendered(before), run.rendered(after), at_first):
            outcome = run_update(project, data)
        assert outcome.merge is not None
        assert not outcome.merge.conflicts

    return update


@pytest.mark.laws
@pytest.mark.parametrize("flip", RETURNS, ids=name)
def test_ashlar_goes_there_and_back(
    run: Run, tmp_path: Path, flip: tuple[Combination, Combination]
) -> None:
    before, after = flip
    project = copy_of(run, before, tmp_path / "project")
    by_ashlar(run, before, after)(project, after.answers)
    keep_in_git(project)
    once = tree(project)
    by_ashlar(run, after, after, before)(project, after.answers)
    assert tree(project) == once
    by_ashlar(run, after, before, before)(project, before.answers)
    must_equal(project, before, run)


@pytest.mark.laws
@pytest.mark.parametrize("flip", [with_copier(flip) for flip in RETURNS])
def test_there_and_back_is_where_it_was_and_twice_is_once(
    run: Run, tmp_path: Path, flip: tuple[Combination, Combination]
) -> None:
    before, after = flip
    project = copy_of(run, before, tmp_path / "project")
    update_project(project, after.answers)
    must_equal(project, after, run)
    keep_in_git(project)
    once = tree(project)
    update_project(project, {})
    assert tree(project) == once
    update_project(project, before.answers)
    must_equal(project, before, run)
