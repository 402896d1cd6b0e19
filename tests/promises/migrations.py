"""Promises of migrations: requests are not held up, and messages after a failure are true."""

from __future__ import annotations

from tests.promises.promise import Promise

_TESTS = "tests/integration/cli/test_db_migrators.py"

MIGRATIONS = (
    Promise(
        "a migrator that waits for another holds no snapshot",
        "src/app/cli/migrations.py",
        '"SELECT pg_try_advisory_lock(:lock)"',
        "\"SELECT pg_advisory_lock(:lock)::text = ''\"",
        f"{_TESTS}::test_upgrade_by_two_at_once_finishes_whatever_the_migration_does",
    ),
    Promise(
        "a migration waits for no lock longer than the setting",
        "src/app/cli/migrations.py",
        "    return max(1, round(settings.migration_lock_timeout_seconds * 1000))",
        "    return 20_000",
        f"{_TESTS}::test_upgrade_waits_for_no_lock_longer_than_the_setting",
    ),
    Promise(
        "what is applied of a failed migration is said",
        "src/app/cli/migrations.py",
        "of it only what it ",
        "of it nothing that it ",
        f"{_TESTS}::test_upgrade_that_fails_says_what_is_applied",
    ),
    Promise(
        "a configured database is not migrated to write a migration",
        "devtools/src/devtools/migrations/commands.py",
        "if not settings.database.is_configured:\n            with err",
        "if settings.database.is_configured:\n            with err",
        "tests/integration/cli/test_db.py"
        "::test_revision_leaves_a_configured_database_that_is_behind_alone",
    ),
    Promise(
        "a changed check is a difference",
        "devtools/src/devtools/migrations/operations.py",
        'if key.kind not in {"constraint", "index"} or',
        'if key.kind != "index" or',
        "tests/integration/cli/test_db_models.py"
        "::test_check_sees_and_revision_makes_what_a_model_declares",
    ),
    Promise(
        "the embedded server does not begin empty beside data of another version",
        "devtools/src/devtools/embedded_postgres/server.py",
        "if majors and found.major not in majors:",
        "if majors == found.major:",
        "tests/devtools/test_embedded_postgres_versions.py"
        "::test_embedded_postgres_refuses_to_begin_empty_beside_data_and_names_the_way_which_works",
    ),
)
