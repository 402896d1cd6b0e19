"""Worker: every committed job is run, whatever its handler or the database does."""

import asyncio
from typing import Any, ClassVar

import pytest
from fastapi import FastAPI
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from app.core.config import DatabaseSettings
from app.core.jobs import BaseJob, Jobs
from app.core.jobs.engine import cancel, retry
from app.core.uow import unit_of_work
from tests.jobs import Chore, Notes, rows, until, until_empty, working
from tests.logs import captured_log

pytestmark = pytest.mark.anyio


@pytest.fixture(autouse=True)
def _application(app: FastAPI) -> None:
    """Handlers use the process's database."""


async def enqueue(*jobs: BaseJob) -> None:
    async with unit_of_work() as uow:
        for job in jobs:
            uow.enqueue(job)


async def fail(_: int) -> None:
    raise ValueError("no")


async def hang(_: int) -> None:
    await asyncio.sleep(3600)


async def test_every_job_is_run_once_by_two_workers(jobs: Jobs, database: DatabaseSettings) -> None:
    notes = Notes()
    jobs.register(Chore, notes)
    await enqueue(*(Chore(number=number) for number in range(200)))
    async with working(jobs, database), working(jobs, database):
        await until_empty()

    assert sorted(notes.numbers) == list(range(200))
    assert await rows() == []


async def test_a_job_that_fails_is_tried_again_and_then_put_aside(jobs: Jobs, database: DatabaseSettings) -> None:
    async def fail_at_first(attempt: int) -> None:
        if attempt < Chore.attempts:
            raise ValueError("not yet")

    lucky, unlucky = Notes(fail_at_first), Notes(fail)
    jobs.register(Chore, lucky)
    await enqueue(Chore(number=1))
    with captured_log() as log:
        async with working(jobs, database):
            await until_empty()
    assert lucky.numbers == [1, 1, 1]
    assert await rows() == []
    assert [line["attempt"] for line in log.events("error")] == [1, 2]

    jobs.handlers.clear()
    jobs.register(Chore, unlucky)
    await enqueue(Chore(number=2))
    async with working(jobs, database):
        await until_empty()
    assert unlucky.numbers == [2] * Chore.attempts
    (row,) = await rows()
    assert row.status == "failed"

    jobs.handlers.clear()
    jobs.register(Chore, lucky)
    await retry(database, [row.id])
    async with working(jobs, database):
        await until_empty()
    assert lucky.numbers == [1, 1, 1, 2]


async def test_a_job_that_hangs_is_cancelled_and_tried_again(jobs: Jobs, database: DatabaseSettings) -> None:
    class Slow(Chore):
        type: ClassVar[str] = "slow"
        attempts: ClassVar[int] = 2
        timeout_seconds: ClassVar[float] = 0.05

    notes = Notes(hang)
    jobs.register(Slow, notes)
    await enqueue(Slow())
    async with working(jobs, database):
        await until_empty()

    assert len(notes.numbers) == 2
    assert [row.status for row in await rows()] == ["failed"]


async def test_a_job_of_an_unknown_type_waits(jobs: Jobs, database: DatabaseSettings) -> None:
    class Newer(Chore):
        type: ClassVar[str] = "newer"

    notes = Notes()
    jobs.register(Chore, notes)
    await enqueue(Newer(number=1), Chore(number=2))
    async with working(jobs, database):
        await until(lambda: asyncio.sleep(0, notes.numbers))
        assert next((row.entrypoint, row.status) for row in await rows()) == ("newer", "queued")
    jobs.register(Newer, notes)
    async with working(jobs, database):
        await until_empty()

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
    written = {
        1: f'{{"version": 1, "values": {{"id": "{first.id}", "word": "one"}}}}',
        3: third.to_payload().decode().replace('"version": 2', '"version": 3'),
    }
    async with scratch.begin() as connection:
        for payload in written.values():
            await connection.execute(
                text(
                    "INSERT INTO jobs.pgqueuer (priority, status, entrypoint, payload) "
                    "VALUES (0, 'queued', 'versioned', :payload)"
                ),
                {"payload": payload.encode()},
            )

    async def waits() -> bool:
        found = await rows()
        return len(found) == 1 and found[0].status == "queued" and found[0].attempts == 1

    async with working(jobs, database):
        await until(waits)
    assert seen == [first]


async def test_a_job_that_takes_longer_than_the_lease_is_run_once(jobs: Jobs, database: DatabaseSettings) -> None:
    async def take_long(_: int) -> None:
        await asyncio.sleep(2.5)

    notes = Notes(take_long)
    jobs.register(Chore, notes)
    await enqueue(Chore())
    async with working(jobs, database, lease_seconds=1), working(jobs, database, lease_seconds=1):
        await until_empty()

    assert notes.numbers == [0]


async def test_a_worker_that_loses_its_connection_goes_on(
    jobs: Jobs, database: DatabaseSettings, scratch: AsyncEngine
) -> None:
    notes = Notes()
    jobs.register(Chore, notes)
    async with working(jobs, database, lease_seconds=1):
        await enqueue(Chore(number=1))
        await until(lambda: asyncio.sleep(0, notes.numbers))
        async with scratch.connect() as connection:
            await connection.execute(
                text(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                    "WHERE datname = current_database() AND application_name = 'app worker'"
                )
            )
        await enqueue(Chore(number=2))
        await until_empty()

    assert set(notes.numbers) == {1, 2}


async def test_a_worker_that_stops_gives_back_what_does_not_finish(jobs: Jobs, database: DatabaseSettings) -> None:
    notes = Notes(hang)
    jobs.register(Chore, notes)
    await enqueue(Chore(number=7))
    async with working(jobs, database, grace_seconds=0.05):
        await until(lambda: asyncio.sleep(0, notes.numbers))
    assert [row.status for row in await rows()] == ["queued"]

    jobs.handlers.clear()
    jobs.register(Chore, quick := Notes())
    async with working(jobs, database):
        await until_empty()
    assert quick.numbers == [7]


async def test_a_job_that_was_cancelled_does_not_run(jobs: Jobs, database: DatabaseSettings) -> None:
    notes = Notes(hang)
    await enqueue(Chore(number=1), Chore(number=2))
    first, _ = await rows()
    await cancel(database, [first.id])
    jobs.register(Chore, notes)
    async with working(jobs, database):
        await until(lambda: asyncio.sleep(0, notes.numbers))
        (second,) = await rows()
        await cancel(database, [second.id])
        await until_empty()

    assert notes.numbers == [2]
    assert await rows() == []


async def test_a_job_whose_worker_died_each_time_is_put_aside(
    jobs: Jobs, database: DatabaseSettings, scratch: AsyncEngine
) -> None:
    notes = Notes()
    jobs.register(Chore, notes)
    await enqueue(Chore())
    async with scratch.begin() as connection:
        # As workers that were killed have left it.
        await connection.execute(
            text(
                "UPDATE jobs.pgqueuer SET status = 'picked', heartbeat = now() - interval '1 hour', "
                "queue_manager_id = gen_random_uuid()"
            )
        )
        await connection.execute(
            text(
                "INSERT INTO jobs.pgqueuer_log (job_id, status, entrypoint, priority) "
                "SELECT id, 'picked', entrypoint, 0 FROM jobs.pgqueuer, generate_series(1, :attempts)"
            ),
            {"attempts": Chore.attempts},
        )
    async with working(jobs, database):
        await until_empty()

    assert notes.numbers == []
    assert [row.status for row in await rows()] == ["failed"]


async def test_a_job_logs_with_the_request_it_goes_back_to(jobs: Jobs, database: DatabaseSettings) -> None:
    async def look(_: Chore) -> None:
        pass

    jobs.register(Chore, look)
    with captured_log() as log:
        async with unit_of_work() as uow:
            uow.enqueue(Chore())
        async with working(jobs, database):
            await until_empty()

    (line,) = log.events("job done")
    assert line["job_type"] == "chore"


async def test_a_schedule_is_run_once_by_two_workers(jobs: Jobs, database: DatabaseSettings) -> None:
    notes = Notes()
    jobs.register(Chore, notes)
    # Each second: a sixth field is the engine's, for seconds.
    jobs.schedule("* * * * * *", Chore)

    async def twice() -> bool:
        return len(notes.numbers) >= 2

    async with working(jobs, database), working(jobs, database):
        began = asyncio.get_running_loop().time()
        await until(twice)
        took = asyncio.get_running_loop().time() - began

    assert len(notes.numbers) <= took + 2
