"""The engine, pgqueuer: its worker, its tables, and what operators ask of it.

It claims jobs with `FOR UPDATE SKIP LOCKED`, keeps a heartbeat while they run, and gives those whose heartbeat has
stopped to another worker. Retries are rows, too, so that a restart forgets none.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager, suppress
from datetime import datetime, timedelta
from functools import partial
from typing import Final

from croniter import croniter
from pgqueuer import AsyncpgDriver, PgQueuer, Queries, RetryRequested
from pgqueuer.adapters.persistence.qb import QueryBuilderEnvironment, QueryQueueBuilder, QuerySchedulerBuilder
from pgqueuer.domain.settings import DBSettings
from pgqueuer.executors import ScheduleExecutor
from pgqueuer.models import Context, CronExpressionEntrypoint, Job, JobId, Schedule
from sqlalchemy import func, select, text
from sqlalchemy.ext.asyncio import AsyncConnection

from app.core.config.database import DatabaseSettings
from app.core.config.process import JobSettings
from app.core.database import migration_engine
from app.core.jobs import BaseJob, Jobs, RetryLater
from app.core.jobs.queue import SCHEMA
from app.core.logging import get_logger
from app.core.uow import unit_of_work

# A worker looks at least so often if a schedule is due, whatever its own clock says.
_SCHEDULE_SECONDS: Final = 60.0
_NAMES: Final = DBSettings(db_schema=SCHEMA)
_TRIGGER: Final = "tg_pgqueuer_lost"
# A job that another worker takes over counts as tried: it may be what its worker died of.
_COUNT_LOST: Final = (
    f"CREATE OR REPLACE FUNCTION {SCHEMA}.fn_pgqueuer_lost() RETURNS trigger LANGUAGE plpgsql AS "
    "$$ BEGIN NEW.attempts := OLD.attempts + 1; RETURN NEW; END $$",
    f"CREATE TRIGGER {_TRIGGER} BEFORE UPDATE ON {SCHEMA}.pgqueuer FOR EACH ROW "
    "WHEN (NEW.status = 'picked' AND OLD.status = 'picked' AND NEW.queue_manager_id <> OLD.queue_manager_id) "
    f"EXECUTE FUNCTION {SCHEMA}.fn_pgqueuer_lost()",
)
_UNCOUNT: Final = f"UPDATE {SCHEMA}.pgqueuer SET attempts = attempts - 1 WHERE id = $1"  # noqa: S608 — a constant

logger = get_logger(__name__)
# What a handler raises has been reported with its request.
logging.getLogger("pgqueuer").addFilter(lambda record: not record.getMessage().startswith("Exception while processing"))


async def install(connection: AsyncConnection, *, role: str) -> None:
    """Make the queue's tables, or bring them up to date, for a role that writes jobs; a part of `app db upgrade`."""
    queries = await _queries(connection)
    if await queries.schema_is_installed():
        await queries.apply_upgrade()
    else:
        await queries.install()
    statements = [] if await queries.has_trigger(_TRIGGER) else list(_COUNT_LOST)
    if role != await connection.scalar(select(func.current_user())):
        quoted = connection.dialect.identifier_preparer.quote_identifier(role)
        statements += [
            f"GRANT USAGE ON SCHEMA {SCHEMA} TO {quoted}",
            f"GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA {SCHEMA} TO {quoted}",
            f"GRANT USAGE ON ALL SEQUENCES IN SCHEMA {SCHEMA} TO {quoted}",
        ]
    for statement in statements:
        await connection.exec_driver_sql(statement)
    await connection.commit()


async def retry(settings: DatabaseSettings, numbers: Sequence[int]) -> None:
    """Give jobs that were put aside all their attempts again."""
    async with _connected(settings) as queries:
        await queries.requeue_jobs([JobId(number) for number in numbers])


async def cancel(settings: DatabaseSettings, numbers: Sequence[int]) -> None:
    """Take jobs out of the queue; one that runs is interrupted."""
    async with _connected(settings) as queries:
        await queries.mark_job_as_cancelled([JobId(number) for number in numbers])


async def run_jobs(jobs: Jobs, database: DatabaseSettings, settings: JobSettings, stop: asyncio.Event) -> None:
    """Run jobs until `stop` is set and those under way have finished, or their time to do so is over.

    What has not finished by then goes back into the queue. A lost connection is opened again.
    """
    while not stop.is_set():
        try:
            async with _connected(database) as queries:
                # With the statistics of an empty queue, the server would read all of a long one for each job.
                await queries.driver.execute(f"ANALYZE {SCHEMA}.pgqueuer")
                await _work(jobs, queries, settings, stop)
        except Exception as err:  # noqa: BLE001 — the driver's errors have no base of their own
            logger.warning("the worker has lost the queue", reason=type(err).__name__, message=str(err))
            await asyncio.sleep(1)


async def _work(jobs: Jobs, queries: Queries, settings: JobSettings, stop: asyncio.Event) -> None:
    async def execute(job: Job, context: Context) -> None:
        try:
            with context.cancellation:  # ended by `app jobs cancel`
                payload, headers = job.payload or b"", job.headers or {}
                await jobs.run(job.entrypoint, payload, headers, number=job.id, starts=job.attempts + 1)
        except (RetryLater, asyncio.CancelledError) as err:
            # Cancelled by the engine, when the time to stop is over: it would take the job for finished.
            later = err if isinstance(err, RetryLater) else RetryLater(0, counts=False)
            if not later.counts:  # the engine is about to add one
                await queries.driver.execute(_UNCOUNT, job.id)
            reason = str(err.__cause__ or "the worker was stopped")
            raise RetryRequested(delay=timedelta(seconds=later.seconds), reason=reason) from err

    engine = PgQueuer(queries.driver, queries=queries)
    for name in jobs.handlers:
        engine.entrypoint(name, accepts_context=True, on_failure="hold")(execute)
    for cron, job_type in jobs.schedules:
        engine.schedule(job_type.type, cron, _DueByDatabase)(partial(_enqueue, job_type))
    working = asyncio.create_task(
        engine.run(
            batch_size=max(1, settings.concurrency // 2),
            max_concurrent_tasks=settings.concurrency,
            dequeue_timeout=timedelta(seconds=settings.poll_seconds),
            heartbeat_timeout=timedelta(seconds=settings.lease_seconds),
            shutdown_on_listener_failure=True,
            log_aggregation_interval=timedelta(0),
        )
    )
    stopping = asyncio.create_task(stop.wait())
    try:
        await asyncio.wait({working, stopping}, return_when=asyncio.FIRST_COMPLETED)
        engine.shutdown.set()
        await asyncio.wait({working}, timeout=settings.grace_seconds)
    finally:
        stopping.cancel()
        working.cancel()
        with suppress(asyncio.CancelledError):
            await working


async def _enqueue(job_type: type[BaseJob], _schedule: Schedule) -> None:
    """Enqueue a job that is due, unless the one before still waits or runs."""
    async with unit_of_work() as uow:
        uow.enqueue(job_type(), key="scheduled")


class _DueByDatabase(ScheduleExecutor):
    """A schedule that workers ask the database about: their own clocks may be wrong, or jump."""

    def next_in(self) -> timedelta:
        """Return the time until a worker asks."""
        return min(super().next_in(), timedelta(seconds=_SCHEDULE_SECONDS))


class _Queries(Queries):
    """The engine's statements, in which the time of a schedule follows from the database's clock.

    From a worker's it would follow that a job runs early, and again when that clock says so.
    """

    async def insert_schedule(self, schedules: dict[CronExpressionEntrypoint, timedelta]) -> None:
        """See the base."""
        await super().insert_schedule(await self._until_due(schedules))

    async def fetch_schedule(self, entrypoints: dict[CronExpressionEntrypoint, timedelta]) -> list[Schedule]:
        """See the base."""
        return await super().fetch_schedule(await self._until_due(entrypoints))

    async def _until_due(self, keys: Iterable[CronExpressionEntrypoint]) -> dict[CronExpressionEntrypoint, timedelta]:
        ((_, now),) = (await self.driver.fetch("SELECT now()"))[0].items()
        return {key: croniter(key.expression, now).get_next(datetime) - now for key in keys}


@asynccontextmanager
async def _connected(settings: DatabaseSettings) -> AsyncIterator[Queries]:
    """Have the engine's statements on a connection of their own, past any pooler: it listens for new jobs."""
    async with migration_engine(settings).connect() as connection:
        await connection.execute(text("SET application_name = 'app worker'"))
        await connection.commit()
        yield await _queries(connection)


async def _queries(connection: AsyncConnection) -> Queries:
    raw = await connection.get_raw_connection()
    return _Queries(
        AsyncpgDriver(raw.driver_connection),
        qbe=QueryBuilderEnvironment(_NAMES),
        qbq=QueryQueueBuilder(_NAMES),
        qbs=QuerySchedulerBuilder(_NAMES),
    )
