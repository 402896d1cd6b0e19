"""`run_jobs`: every committed job is run, whatever its handler or the database does."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any, ClassVar

import pytest
from fastapi import FastAPI
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from app.core.config.database import DatabaseSettings
from app.core.jobs import BaseJob, Jobs
from app.core.jobs.engine import cancel, retry
from app.core.logging import log_context
from app.core.uow import unit_of_work
from tests.jobs import Chore, Notes, rows, until, work_off, working
from tests.logs import captured_log

pytestmark = pytest.mark.anyio


@pytest.fixture(autouse=True)
def _application(app: FastAPI) -> None:
    """Handlers use the process's database."""


@pytest.fixture
def notes(jobs: Jobs) -> Notes:
    """The handler of the chores."""
    notes = Notes()
    jobs.register(Chore, notes)
    return notes


async def enqueue(*jobs: BaseJob) -> None:
    async with unit_of_work() as uow:
        for job in jobs:
            uow.enqueue(job)


async def change(scratch: AsyncEngine, sql: str, **values: object) -> None:
    async with scratch.begin() as connection:
        await connection.execute(text(sql), values)


async def fail() -> None:
    raise ValueError("no")


async def hang() -> None:
    await asyncio.sleep(3600)


async def test_every_job_is_run_once_by_two_workers(jobs: Jobs, notes: Notes, database: DatabaseSettings) -> None:
    await enqueue(*(Chore(number=number) for number in range(200)))
    async with working(jobs, database):
        await work_off(jobs, database)

    assert sorted(notes.numbers) == list(range(200))
    assert await rows() == []


async def test_a_job_that_fails_is_tried_again_and_logs_with_its_request(
    jobs: Jobs, notes: Notes, database: DatabaseSettings
) -> None:
    async def fail_at_first() -> None:
        if len(notes.numbers) < Chore.attempts:
            raise ValueError("not yet")

    notes.act = fail_at_first
    with captured_log() as log:
        with log_context(request_id="request-1"):
            await enqueue(Chore(number=1))
        await work_off(jobs, database)

    assert notes.numbers == [1, 1, 1]
    assert [line["attempt"] for line in log.events("error")] == [1, 2]
    (line,) = log.events("job done")
    assert (line["job_type"], line["attempt"], line["request_id"]) == ("chore", 3, "request-1")


@pytest.mark.parametrize("act", [fail, hang])
async def test_a_job_that_fails_or_hangs_each_time_is_put_aside_until_retry(
    act: Callable[[], Awaitable[None]],
    jobs: Jobs,
    notes: Notes,
    database: DatabaseSettings,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(Chore, "timeout_seconds", 0.05)
    notes.act = act
    await enqueue(Chore(number=1))
    await work_off(jobs, database)
    assert notes.numbers == [1] * Chore.attempts
    (row,) = await rows()
    assert row.status == "failed"

    notes.act = None
    await retry(database, [row.id])
    await work_off(jobs, database)
    assert notes.numbers == [1] * (Chore.attempts + 1)
    assert await rows() == []


async def test_a_job_whose_worker_died_each_time_is_put_aside_until_retry(
    jobs: Jobs, notes: Notes, database: DatabaseSettings, scratch: AsyncEngine
) -> None:
    await enqueue(Chore())
    # As workers that were killed have left it.
    await change(
        scratch,
        "UPDATE jobs.pgqueuer SET status = 'picked', attempts = :attempts, "
        "heartbeat = now() - interval '1 hour', queue_manager_id = gen_random_uuid()",
        attempts=Chore.attempts - 1,
    )
    await work_off(jobs, database)
    assert notes.numbers == []
    (row,) = await rows()
    assert (row.status, row.attempts) == ("failed", Chore.attempts)

    await retry(database, [row.id])
    await work_off(jobs, database)
    assert notes.numbers == [0]


async def test_a_job_of_an_unknown_type_waits(jobs: Jobs, notes: Notes, database: DatabaseSettings) -> None:
    class Newer(Chore):
        type: ClassVar[str] = "newer"

    await enqueue(Newer(number=1), Chore(number=2))
    async with working(jobs, database):
        await until(notes.heard)
        assert next((row.entrypoint, row.status) for row in await rows()) == ("newer", "queued")
    jobs.register(Newer, notes)
    await work_off(jobs, database)

    assert sorted(notes.numbers) == [1, 2]


async def test_a_job_of_another_version_is_upgraded_or_waits(
    jobs: Jobs, database: DatabaseSettings, scratch: AsyncEngine
) -> None:
    class Versioned(BaseJob):
        type: ClassVar[str] = "versioned"
        version: ClassVar[int] = 2
        attempts: ClassVar[int] = 1
        words: tuple[str, ...]

        @classmethod
        def upgrade(cls, version: int, values: dict[str, Any]) -> dict[str, Any]:
            assert version == 1
            return {"id": values["id"], "words": [values["word"]]}

    seen: list[BaseJob] = []

    async def see(job: Versioned) -> None:
        seen.append(job)

    jobs.register(Versioned, see)
    first, third = Versioned(words=("one",)), Versioned(words=("three",))
    older = f'{{"version": 1, "values": {{"id": "{first.id}", "word": "one"}}}}'
    newer = third.to_payload().decode().replace('"version": 2', '"version": 3')
    for payload in (older, newer):
        await change(
            scratch,
            "INSERT INTO jobs.pgqueuer (priority, status, entrypoint, payload) "
            "VALUES (0, 'queued', 'versioned', :payload)",
            payload=payload.encode(),
        )

    async def waits() -> bool:
        found = await rows()
        return len(found) == 1 and found[0].status == "queued" and found[0].execute_after > datetime.now(UTC)

    async with working(jobs, database):
        await until(waits)
    assert seen == [first]
    # However long it waits for code that knows it, it has all its attempts.
    assert [row.attempts for row in await rows()] == [0]


async def test_a_job_that_takes_longer_than_the_lease_is_run_once(
    jobs: Jobs, notes: Notes, database: DatabaseSettings
) -> None:
    notes.act = lambda: asyncio.sleep(2.5)
    await enqueue(Chore())
    async with working(jobs, database, lease_seconds=1):
        await work_off(jobs, database, lease_seconds=1)

    assert notes.numbers == [0]


async def test_a_worker_that_loses_its_connection_goes_on(
    jobs: Jobs, notes: Notes, database: DatabaseSettings, scratch: AsyncEngine
) -> None:
    async with working(jobs, database, lease_seconds=1):
        await enqueue(Chore(number=1))
        await until(notes.heard)
        await change(
            scratch,
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE datname = current_database() AND application_name = 'app worker'",
        )
        notes.numbers.clear()
        await enqueue(Chore(number=2))

        async def second() -> bool:
            return 2 in notes.numbers

        await until(second)


async def test_a_worker_that_stops_gives_back_what_does_not_finish(
    jobs: Jobs, notes: Notes, database: DatabaseSettings
) -> None:
    notes.act = hang
    await enqueue(Chore(number=7))
    async with working(jobs, database, grace_seconds=0.05):
        await until(notes.heard)
    # A deployment is no failure of the job.
    assert [(row.status, row.attempts) for row in await rows()] == [("queued", 0)]

    notes.act = None
    await work_off(jobs, database)
    assert notes.numbers == [7, 7]


async def test_a_job_that_was_cancelled_does_not_run(jobs: Jobs, notes: Notes, database: DatabaseSettings) -> None:
    notes.act = hang
    await enqueue(Chore(number=1), Chore(number=2))
    first, second = await rows()
    await cancel(database, [first.id])
    async with working(jobs, database):
        await until(notes.heard)
        await cancel(database, [second.id])
        await work_off(jobs, database)

    assert notes.numbers == [2]
    assert await rows() == []


async def test_a_schedule_is_run_once_by_two_workers(jobs: Jobs, notes: Notes, database: DatabaseSettings) -> None:
    # Each second: a sixth field is the engine's, for seconds.
    jobs.schedule("* * * * * *", Chore)

    async def twice() -> bool:
        return len(notes.numbers) >= 2

    async with working(jobs, database), working(jobs, database):
        began = asyncio.get_running_loop().time()
        await until(twice)
        took = asyncio.get_running_loop().time() - began

    assert len(notes.numbers) <= took + 2
