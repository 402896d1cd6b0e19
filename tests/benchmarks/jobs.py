"""The jobs without work that one worker runs in a second, against the bare engine.

Run it with a rendered project's Python, in the project's folder, with that on PYTHONPATH. Both take
their jobs from one database, each from tables of its own, with the worker's usual settings, and
have their turns in each round. The project's jobs are checked, timed, and logged to a file.
"""

from __future__ import annotations

import asyncio
import statistics
import tempfile
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import ClassVar

from app.cli import migrations
from app.core.config import ApplicationSettings
from app.core.database import Statement, migration_engine
from app.core.jobs import BaseJob, get_jobs
from app.core.jobs.engine import run_jobs
from app.core.logging import configure_logging
from app.core.uow import unit_of_work
from app.wiring import open_services
from pgqueuer import AsyncpgDriver, PgQueuer, Queries
from pgqueuer.adapters.persistence import qb
from pgqueuer.domain.settings import DBSettings
from pgqueuer.models import Job
from sqlalchemy import text

from tests.databases import running_server
from tests.factories import make_settings

ROUNDS = 7
JOBS = 1_500
# Of the jobs a second that the bare engine runs.
LIMIT = 0.8
FILL = Statement(
    text(
        "INSERT INTO floor.pgqueuer (priority, status, entrypoint, payload) "
        "SELECT 0, 'queued', 'nothing', '{}'::bytea FROM generate_series(1, CAST(:jobs AS int))"
    )
)


class Nothing(BaseJob):
    """Has no work."""

    type: ClassVar[str] = "nothing"


class Countdown:
    """Counts jobs, and ends what runs them with the last."""

    def __init__(self, end: Callable[[], None]) -> None:
        self._left = JOBS
        self._end = end

    async def __call__(self, _: object) -> None:
        """Count one."""
        self._left -= 1
        if not self._left:
            self._end()


async def run_project(settings: ApplicationSettings) -> float:
    """Return the seconds that the worker takes."""
    async with unit_of_work() as uow:
        for _ in range(JOBS):
            uow.enqueue(Nothing())
    stop, jobs = asyncio.Event(), get_jobs()
    jobs.handlers = {Nothing.type: (Nothing, Countdown(stop.set))}
    began = time.perf_counter()
    await run_jobs(jobs, settings.database, settings.jobs, stop)
    return time.perf_counter() - began


async def run_floor(settings: ApplicationSettings) -> float:
    """Return the seconds that the engine takes."""
    async with unit_of_work() as uow:
        await uow.session.execute(FILL, jobs=JOBS)
    began = time.perf_counter()
    async with floor_queries(settings) as queries:
        engine = PgQueuer(queries.driver, queries=queries)
        count = Countdown(engine.shutdown.set)

        @engine.entrypoint(Nothing.type, on_failure="hold")
        async def nothing(job: Job) -> None:
            await count(job)

        await engine.run(
            batch_size=settings.jobs.concurrency // 2,
            max_concurrent_tasks=settings.jobs.concurrency,
            dequeue_timeout=timedelta(seconds=settings.jobs.poll_seconds),
            heartbeat_timeout=timedelta(seconds=settings.jobs.lease_seconds),
            log_aggregation_interval=timedelta(0),
        )
    return time.perf_counter() - began


@asynccontextmanager
async def floor_queries(settings: ApplicationSettings) -> AsyncIterator[Queries]:
    """Have the engine's statements on tables of their own."""
    names = DBSettings(db_schema="floor")
    async with migration_engine(settings.database).connect() as connection:
        driver = AsyncpgDriver((await connection.get_raw_connection()).driver_connection)
        yield Queries(
            driver,
            qbe=qb.QueryBuilderEnvironment(names),
            qbq=qb.QueryQueueBuilder(names),
            qbs=qb.QuerySchedulerBuilder(names),
        )


async def measure(settings: ApplicationSettings) -> list[tuple[float, float]]:
    """Return the seconds of the engine and of the project in each round."""
    async with floor_queries(settings) as queries:
        await queries.install()
    async with open_services(settings):
        rounds = [
            (await run_floor(settings), await run_project(settings)) for _ in range(ROUNDS + 1)
        ]
    return rounds[1:]


def main() -> int:
    """Measure in a database of its own; 1 when the worker misses its limit."""
    with (
        running_server() as server,
        server.database("jobs") as url,
        tempfile.TemporaryFile("w") as log,
    ):
        settings = make_settings(database_url=url)
        migrations.upgrade(settings)
        configure_logging(level="INFO", json_lines=True, stream=log)
        rounds = asyncio.run(measure(settings))
    low, share, high = statistics.quantiles([bare / ours for bare, ours in rounds], n=4)
    for name, seconds in zip(("bare engine", "worker"), zip(*rounds, strict=True), strict=True):
        print(f"{name:12}{JOBS / statistics.median(seconds):>8.0f} jobs/s")
    print(f"\nworker, of the bare engine: {share:.2f} ({low:.2f} to {high:.2f}), at least {LIMIT}")
    return int(share < LIMIT)


if __name__ == "__main__":
    raise SystemExit(main())
