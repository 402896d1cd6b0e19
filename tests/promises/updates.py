"""What updates keep: nothing of the user's goes without a word."""

from __future__ import annotations

from tests.promises.promise import Promise

UPDATES = (
    Promise(
        "no table is dropped unless somebody says so",
        "src/app/cli/decisions.py",
        "{loss.name for loss in losses if loss.name in drop}",
        "{loss.name for loss in losses}",
        "tests/integration/cli/test_db_drops.py"
        "::test_where_nobody_can_be_asked_everything_is_listed_and_nothing_written",
    ),
    Promise(
        "a table that is kept is left alone",
        "migrations/env.py",
        "str(item) in kept()",
        "str(item) in ()",
        "tests/integration/cli/test_db_drops.py::test_what_is_kept_is_left_alone_from_then_on",
    ),
    Promise(
        "an edited file that an update deletes is named",
        "src/app/development/updates/comparison.py",
        "return Effect.LOST if edited else Effect.DELETED",
        "return Effect.DELETED",
        "tests/unit/development/test_updates.py::test_what_becomes_of_each_file",
    ),
    Promise(
        "an update is tried on a copy",
        "src/app/development/updates/preview.py",
        'run_copier(after / inside, answers, "update"',
        'run_copier(folder, answers, "update"',
        "tests/integration/cli/test_updates.py"
        "::test_an_update_that_takes_nothing_is_shown_file_by_file",
    ),
    Promise(
        "conflicts that are left are found",
        "src/app/development/updates/conflicts.py",
        "if name in unmerged or _has_conflict(folder / name):",
        "if name in unmerged:",
        "tests/unit/development/test_updates.py"
        "::test_conflicts_are_found_and_what_only_looks_like_them_is_not",
    ),
)
