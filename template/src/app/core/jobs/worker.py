"""The worker: runs jobs by pgqueuer.

pgqueuer claims jobs with `FOR UPDATE SKIP LOCKED`, keeps a heartbeat while they run, and gives those whose heartbeat
has stopped to another worker. Retries are rows, too, so that a restart forgets none.
"""

import asyncio
import logging
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import Final

from pgqueuer import PgQueuer, Queries, RetryRequested
from pgqueuer.models import Context, Job, Schedule
from sqlalchemy import Interval, bindparam, func, select

from app.core.config import DatabaseSettings, JobSettings
from app.core.database import Statement, get_database
from app.core.exceptions import DatabaseException
from app.core.jobs.engine import connected
from app.core.jobs.job import BaseJob
from app.core.jobs.queue import log, queue
from app.core.jobs.registry import Jobs, RetryLater
from app.core.logging import get_logger
from app.core.uow import unit_of_work

# A worker that has lost its connection tries again after so long.
_RECONNECT_SECONDS: Final = 1.0


@dataclass(slots=True)
class _Starts:
    id: int
    starts: int


_STARTS: Final = Statement(
    select(queue.c.id, func.count().label("starts"))
    .join(log, (log.c.job_id == queue.c.id) & (log.c.status == "picked"))
    .where(queue.c.status == "picked", queue.c.heartbeat < func.now() - bindparam("silence", type_=Interval))
    .group_by(queue.c.id),
    _Starts,
)

logger = get_logger(__name__)
# What a handler raises has been reported with its request.
logging.getLogger("pgqueuer").addFilter(lambda record: not record.getMessage().startswith("Exception while processing"))


class Worker:
    """Runs jobs until it is told to stop.

    Args:
        jobs: Their handlers and schedules.
        database: Where the queue is.
        settings: How many at a time, and for how long.
    """

    def __init__(self, jobs: Jobs, database: DatabaseSettings, settings: JobSettings) -> None:
        self._jobs = jobs
        self._database = database
        self._settings = settings
        self._stop = asyncio.Event()
        # Jobs whose worker has died, by the engine's number, and how often they have been started.
        self._starts: Mapping[int, int] = {}

    def stop(self) -> None:
        """Take no more jobs, and let those under way finish."""
        self._stop.set()

    async def run(self) -> None:
        """Run jobs; come back when those under way have finished, or when their time to stop is over.

        What has not finished by then goes back into the queue. A lost connection is opened again.
        """
        while not self._stop.is_set():
            try:
                async with connected(self._database) as queries:
                    await self._work(queries)
            except Exception as err:  # noqa: BLE001 — the driver's errors have no base of their own
                logger.warning("the worker has lost the queue", reason=type(err).__name__, message=str(err))
                with suppress(TimeoutError):
                    await asyncio.wait_for(self._stop.wait(), _RECONNECT_SECONDS)

    async def _work(self, queries: Queries) -> None:
        self._starts = await self._starts_of_dead()
        engine = PgQueuer(queries.driver, queries=queries)
        for name in self._jobs.handlers:
            engine.entrypoint(name, accepts_context=True, on_failure="hold")(self._execute)
        for each in self._jobs.schedules:
            engine.schedule(each.job_type.type, each.cron)(partial(_enqueue, each.job_type))
        working = asyncio.create_task(
            engine.run(
                batch_size=max(1, self._settings.concurrency // 2),
                max_concurrent_tasks=self._settings.concurrency,
                dequeue_timeout=timedelta(seconds=self._settings.poll_seconds),
                heartbeat_timeout=timedelta(seconds=self._settings.lease_seconds),
                shutdown_on_listener_failure=True,
                log_aggregation_interval=timedelta(0),
            )
        )
        watching = asyncio.create_task(self._watch_dead())
        stopping = asyncio.create_task(self._stop.wait())
        try:
            await asyncio.wait({working, stopping}, return_when=asyncio.FIRST_COMPLETED)
            engine.shutdown.set()
            await asyncio.wait({working}, timeout=self._settings.grace_seconds)
        finally:
            for task in (watching, stopping, working):
                task.cancel()
            with suppress(asyncio.CancelledError):
                await working

    async def _execute(self, job: Job, context: Context) -> None:
        starts = max(job.attempts, self._starts.get(job.id, 0)) + 1
        try:
            # `app jobs cancel` ends the scope.
            with context.cancellation:
                await self._jobs.run(job.entrypoint, job.payload or b"", job.headers or {}, starts=starts)
        except RetryLater as later:
            raise RetryRequested(delay=timedelta(seconds=later.seconds), reason=str(later.__cause__)) from later
        except asyncio.CancelledError as err:
            # The time to stop is over: without this, the engine would take it for finished.
            raise RetryRequested(delay=timedelta(0), reason="the worker was stopped") from err

    async def _watch_dead(self) -> None:
        while True:
            await asyncio.sleep(self._settings.lease_seconds / 4)
            with suppress(DatabaseException):
                self._starts = await self._starts_of_dead()

    async def _starts_of_dead(self) -> Mapping[int, int]:
        """Return how often jobs have been started whose worker has died: such a job may be what it died of."""
        silence = timedelta(seconds=self._settings.lease_seconds / 2)
        return {row.id: row.starts for row in await get_database().reader.all(_STARTS, silence=silence)}


async def _enqueue(job_type: type[BaseJob], _schedule: Schedule) -> None:
    """Enqueue a job that is due, unless the one before still waits or runs."""
    async with unit_of_work() as uow:
        uow.enqueue(job_type(), key="scheduled")
