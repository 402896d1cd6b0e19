"""`app jobs` and `app db purge`, as they are typed."""

import asyncio

import pytest
from sqlalchemy.engine import make_url

from app.core.database import Database
from app.core.events import EventBus
from app.core.process import open_process
from app.core.uow import unit_of_work
from tests.databases import execute
from tests.factories import make_settings
from tests.integration.cli.conftest import Run
from tests.jobs import Chore


@pytest.fixture
def queued(on_migrated: str) -> int:
    """The number of a job of a type that this application does not know."""

    async def enqueue() -> None:
        async with open_process() as process:
            database = Database(make_settings(database_url=on_migrated).database)
            process.add(database, close=database.close)
            process.add(EventBus())
            async with unit_of_work() as uow:
                uow.enqueue(Chore(number=7))

    asyncio.run(enqueue())
    (row,) = execute(on_migrated, "SELECT id FROM jobs.pgqueuer")
    return int(row["id"])


def test_jobs_list_show_retry_and_cancel(queued: int, on_migrated: str, app_command: Run) -> None:
    listed = app_command("jobs", "list")
    assert (listed.code, listed.out.split()[:4]) == (0, [str(queued), "unknown", "type", "chore"])
    assert app_command("jobs", "list", "--failed").out == ""

    execute(on_migrated, "UPDATE jobs.pgqueuer SET status = 'failed', attempts = 3")
    execute(
        on_migrated,
        "INSERT INTO jobs.pgqueuer_log (job_id, status, entrypoint, priority, traceback) SELECT id, 'failed', 'chore', "
        """0, '{"exception_type": "ValueError", "exception_message": "no"}' FROM jobs.pgqueuer""",
    )
    assert "put aside  chore" in app_command("jobs", "list", "--failed").out
    shown = app_command("jobs", "show", str(queued)).out
    assert '"number": 7' in shown
    assert "failed  ValueError: no" in shown

    assert app_command("jobs", "retry", str(queued)).code == 0
    assert [tuple(row) for row in execute(on_migrated, "SELECT status::text, attempts FROM jobs.pgqueuer")] == [
        ("queued", 0)
    ]
    assert app_command("jobs", "cancel", str(queued)).code == 0
    assert execute(on_migrated, "SELECT FROM jobs.pgqueuer") == []
    missing = app_command("jobs", "show", "123456")
    assert (missing.code, missing.err.startswith("error: job 123456 does not exist.")) == (1, True)


def test_db_purge_says_what_it_has_deleted(on_migrated: str, app_command: Run) -> None:
    execute(
        on_migrated,
        "INSERT INTO jobs.pgqueuer_log (job_id, status, entrypoint, priority, created) "
        "VALUES (1, 'successful', 'chore', 0, now() - interval '31 days')",
    )
    result = app_command("db", "purge")

    assert result.code == 0
    assert "pgqueuer_log: 1 deleted" in result.out.splitlines()
    assert "sessions: 0 deleted" in result.out.splitlines()


def test_db_upgrade_makes_the_queue_for_the_role_that_writes_jobs(
    on_empty: str, worker_id: str, app_command: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    role = f"web'{worker_id}"
    monkeypatch.setenv("MIGRATION_DATABASE_URL", on_empty)
    monkeypatch.setenv("DATABASE_URL", make_url(on_empty).set(username=role).render_as_string(hide_password=False))
    execute(on_empty, f'CREATE ROLE "{role}"')
    try:
        # The second finds all there is.
        for _ in range(2):
            assert app_command("db", "upgrade").code == 0
        (row,) = execute(
            on_empty,
            f"""SELECT has_table_privilege('{role.replace("'", "''")}', 'jobs.pgqueuer', 'INSERT') AS may""",
        )
        assert row["may"]
    finally:
        execute(on_empty, f'DROP OWNED BY "{role}"')
        execute(on_empty, f'DROP ROLE "{role}"')
