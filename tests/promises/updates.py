"""What updates keep: nothing of the user's goes without a word."""

from __future__ import annotations

from tests.promises.promise import Promise

UPDATES = (
    Promise(
        "no table is dropped unless a person says so",
        "devtools/src/devtools/migrations/losses.py",
        "dropped, kept = set(drop), set(keep)",
        "dropped, kept = {loss.name for loss in losses}, set(keep)",
        "tests/integration/cli/test_db_drops.py"
        "::test_revision_without_a_terminal_lists_everything_and_writes_nothing",
    ),
    Promise(
        "a table that is kept is left alone",
        "devtools/src/devtools/migrations/comparison.py",
        "not in kept\n",
        "not in ()\n",
        "tests/integration/cli/test_db_drops.py::test_revision_leaves_what_is_kept_alone_from_then_on",
    ),
    Promise(
        "conflicts that are left are found",
        "devtools/src/devtools/updates.py",
        '        *_paths(folder, "diff", "-z", "--name-only", "--relative", "--diff-filter=U"),\n',
        "",
        "tests/integration/cli/test_updates.py"
        "::test_the_doctor_finds_a_document_that_git_calls_unmerged",
    ),
    Promise(
        "an update that was interrupted is named",
        "devtools/src/devtools/updates.py",
        "if title := find_interrupted(folder):",
        "if title := None:",
        "tests/integration/cli/test_updates.py"
        "::test_the_doctor_finds_an_update_that_was_interrupted",
    ),
    Promise(
        "a release that closes a hole is named",
        "devtools/src/devtools/updates.py",
        "_SECURITY.search(section) is not None",
        "False",
        "tests/integration/cli/test_updates.py::test_the_doctor_finds_the_releases_that_are_out",
    ),
    Promise(
        "an update is done by the version updated to",
        "src/app/cli/update.py",
        "commits[version if version in releases else latest]",
        'commits["HEAD"]',
        "tests/integration/cli/test_updates.py"
        "::test_app_update_runs_the_command_of_the_version_updated_to",
    ),
)
