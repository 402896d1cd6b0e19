"""Jobs of tests, a worker that runs them, and the queue as it is."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any, ClassVar

from sqlalchemy import delete, select

from app.core.config.database import DatabaseSettings
from app.core.config.process import JobSettings
from app.core.database import Statement, get_async_session, get_database
from app.core.jobs import BaseJob, Jobs, engine, get_jobs
from app.core.jobs.queue import QueuedJob, queue

# A machine that is busy takes its time.
PATIENCE_SECONDS = 30


class Chore(BaseJob):
    type: ClassVar[str] = "chore"
    attempts: ClassVar[int] = 3
    backoff_seconds: ClassVar[float] = 0.01
    number: int = 0


class Notes:
    """A handler that notes the numbers it was given, and does each time what it is told to."""

    def __init__(self, act: Callable[[], Awaitable[object]] | None = None) -> None:
        self.numbers: list[int] = []
        self.act = act

    async def __call__(self, job: Chore) -> None:
        self.numbers.append(job.number)
        if self.act:
            await self.act()

    async def heard(self) -> bool:
        return bool(self.numbers)


_ROWS = Statement(select(queue).order_by(queue.c.id), QueuedJob)
_TAKE = Statement(select(delete(queue).where(queue.c.status == "queued").returning(*queue.c).cte("taken")), QueuedJob)


async def rows() -> list[QueuedJob]:
    """The rows of the queue, the oldest first."""
    return await get_database().reader.all(_ROWS)


async def until(condition: Callable[[], Awaitable[object]]) -> None:
    """Wait until something has become true."""
    async with asyncio.timeout(PATIENCE_SECONDS):
        while not await condition():  # noqa: ASYNC110 — the queue has no signal for it
            await asyncio.sleep(0.02)


@asynccontextmanager
async def working(jobs: Jobs, database: DatabaseSettings, **settings: Any) -> AsyncIterator[None]:
    """A worker that runs jobs for as long as the block lasts."""
    stop = asyncio.Event()
    limits = JobSettings(**{"poll_seconds": 0.05, **settings})
    running = asyncio.create_task(engine.run_jobs(jobs, database, limits, stop))
    try:
        yield
    finally:
        stop.set()
        await running


async def work_off(jobs: Jobs, database: DatabaseSettings, **settings: Any) -> None:
    """Have a worker run jobs until none waits or runs: what is left has been put aside."""

    async def done() -> bool:
        return all(row.status == "failed" for row in await rows())

    async with working(jobs, database, **settings):
        await until(done)


async def run_jobs() -> None:
    """Run what waits in the queue, in the transaction of this test, until nothing does."""
    while True:
        async with get_async_session() as session:
            found = await session.all(_TAKE)
            await session.commit()
        if not found:
            return
        for row in found:
            await get_jobs().run(row.entrypoint, row.payload or b"", row.headers or {}, number=row.id, starts=1)
