"""Promises of updates: no edit of the user's is lost in silence."""

from __future__ import annotations

from tests.promises.promise import Promise

UPDATES = (
    Promise(
        "no table is dropped unless a person says so",
        "devtools/src/devtools/migrations/commands.py",
        "for name in comparison.losses if name not in (drop or ())]",
        "for name in comparison.losses if name in ()]",
        "tests/integration/cli/test_db_models.py::test_revision_drops_nothing_unasked",
    ),
    Promise(
        "a table that is kept is left alone",
        "devtools/src/devtools/migrations/comparison.py",
        "not in {_VERSIONS, *kept}]",
        "not in {_VERSIONS}]",
        "tests/integration/cli/test_db_models.py"
        "::test_revision_and_check_leave_alone_what_the_list_of_what_is_kept_names",
    ),
    Promise(
        "conflicts that are left are found",
        "devtools/src/devtools/updates.py",
        "dict.fromkeys(_git(",
        "dict.fromkeys((lambda *_: '')(",
        "tests/integration/cli/test_updates.py"
        "::test_the_doctor_finds_a_document_that_git_calls_unmerged",
    ),
    Promise(
        "an update that was interrupted is named",
        "devtools/src/devtools/updates.py",
        '["title"]\n        yield',
        '["title"]\n        return\n        yield',
        "tests/integration/cli/test_updates.py"
        "::test_the_doctor_finds_an_update_that_was_interrupted",
    ),
    Promise(
        "an update is done by the version updated to",
        "devtools/src/devtools/updates.py",
        "commits[version if version in releases else releases[-1]]",
        'commits["HEAD"]',
        "tests/integration/cli/test_updates.py"
        "::test_app_update_runs_the_command_of_the_version_updated_to",
    ),
)
