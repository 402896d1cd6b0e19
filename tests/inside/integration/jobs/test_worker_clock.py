"""`run_jobs` on a machine whose clock jumps by hours."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest
import time_machine
from fastapi import FastAPI

from app.core.config.database import DatabaseSettings
from app.core.jobs import Jobs
from tests.integration.jobs.test_worker import enqueue
from tests.jobs import Chore, Notes, until, work_off, working

pytestmark = pytest.mark.anyio


async def test_a_clock_that_jumps_ends_no_lease(app: FastAPI, jobs: Jobs, database: DatabaseSettings) -> None:
    notes = Notes(lambda: asyncio.sleep(2.5))
    jobs.register(Chore, notes)
    await enqueue(Chore(number=1))
    with time_machine.travel(datetime.now(UTC) + timedelta(hours=1)) as clock:
        async with working(jobs, database, lease_seconds=1), working(jobs, database, lease_seconds=1):
            await until(notes.heard)
            clock.shift(timedelta(hours=-2))
            await work_off(jobs, database, lease_seconds=1)

    assert notes.numbers == [1]
