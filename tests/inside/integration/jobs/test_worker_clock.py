"""`run_jobs` on a machine whose clock jumps by hours."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest
import time_machine
from fastapi import FastAPI
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from app.core.config.database import DatabaseSettings
from app.core.jobs import Jobs, engine
from tests.integration.jobs.test_worker import change, enqueue
from tests.jobs import Chore, Notes, until, working

pytestmark = pytest.mark.anyio


async def test_a_clock_that_jumps_moves_no_schedule_and_ends_no_lease(
    app: FastAPI, jobs: Jobs, database: DatabaseSettings, scratch: AsyncEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    notes = Notes(lambda: asyncio.sleep(2.5))
    jobs.register(Chore, notes)

    async def next_run() -> datetime | None:
        async with scratch.connect() as connection:
            found: datetime | None = await connection.scalar(text("SELECT next_run FROM jobs.pgqueuer_schedules"))
            return found

    async def scheduled() -> bool:
        return 0 in notes.numbers

    monkeypatch.setattr(engine, "_SCHEDULE_SECONDS", 0.1)
    due = (datetime.now(UTC) + timedelta(hours=6)).replace(second=0, microsecond=0)
    jobs.schedule(f"{due:%M %H} * * *", Chore)
    await enqueue(Chore(number=1))
    with time_machine.travel(datetime.now(UTC) + timedelta(hours=1)) as clock:
        async with working(jobs, database, lease_seconds=1), working(jobs, database, lease_seconds=1):
            await until(notes.heard)
            await until(next_run)
            assert await next_run() == due
            clock.shift(timedelta(hours=-2))
            await change(scratch, "UPDATE jobs.pgqueuer_schedules SET next_run = now()")
            await until(scheduled)
            assert await next_run() == due

    assert sorted(notes.numbers) == [0, 1]
