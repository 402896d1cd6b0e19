"""Workers with jobs of their own: run by a rendered project's Python, on a migrated database.

`tick` is a worker with a job that is due every third second, until SIGTERM. `due NUMBER` prints as
JSON what so many due jobs do to enqueueing and to a worker. DATABASE_URL names the database.
"""

from __future__ import annotations

import asyncio
import json
import statistics
import sys
import time
from typing import Any, ClassVar

from app.cli import serve
from app.core.config import get_settings
from app.core.database import Statement
from app.core.jobs import BaseJob, engine, get_jobs
from app.core.uow import unit_of_work
from app.wiring import open_services
from sqlalchemy import text

ENQUEUED = 100
# Worked off to learn the rate.
SAMPLE = 1_000
TICK = Statement(text("INSERT INTO ticks VALUES (now())"))
FILL = Statement(
    text(
        "INSERT INTO jobs.pgqueuer (priority, status, entrypoint, payload) SELECT 0, 'queued', "
        "'tick', CAST(:payload AS bytea) FROM generate_series(1, CAST(:number AS int))"
    )
)
EMPTY = Statement(text("TRUNCATE jobs.pgqueuer, jobs.pgqueuer_log"))


class Tick(BaseJob):
    """Has no values."""

    type: ClassVar[str] = "tick"


async def note_tick(_: Tick) -> None:
    """Have a row."""
    async with unit_of_work() as uow:
        await uow.session.execute(TICK)


def tick() -> None:
    """Run jobs as `app worker` does, and one more every third second."""
    usual = engine.run_jobs

    async def with_ticks(*arguments: Any) -> None:
        get_jobs().register(Tick, note_tick)
        # A sixth field is the engine's, for seconds.
        get_jobs().schedule("* * * * * */3", Tick)
        await usual(*arguments)

    engine.run_jobs = with_ticks
    serve.work(get_settings())


async def due(number: int) -> dict[str, float]:
    """Return times and rates with few due jobs, and with so many."""
    async with open_services(get_settings()):
        found = {}
        for name, jobs in {"few": SAMPLE, "many": number}.items():
            async with unit_of_work() as uow:
                await uow.session.execute(FILL, number=jobs, payload=Tick().to_payload())
            found[f"{name}_enqueue"] = await _time_to_enqueue()
            found[f"{name}_first"], found[f"{name}_rate"] = await _work()
            async with unit_of_work() as uow:
                await uow.session.execute(EMPTY)
        return found


async def _time_to_enqueue() -> float:
    """Return the median of the seconds that a unit of work with one job takes."""
    times = []
    for _ in range(ENQUEUED):
        began = time.perf_counter()
        async with unit_of_work() as uow:
            uow.enqueue(Tick())
        times.append(time.perf_counter() - began)
    return statistics.median(times)


async def _work() -> tuple[float, float]:
    """Return the seconds until the first job runs, and the jobs per second from then on."""
    stop, moments = asyncio.Event(), list[float]()

    async def note(_: Tick) -> None:
        moments.append(time.perf_counter())
        if len(moments) == SAMPLE:
            stop.set()

    jobs = get_jobs()
    jobs.handlers = {Tick.type: (Tick, note)}
    began = time.perf_counter()
    await engine.run_jobs(jobs, get_settings().database, get_settings().jobs, stop)
    return moments[0] - began, SAMPLE / (moments[SAMPLE - 1] - moments[0])


if __name__ == "__main__":
    if sys.argv[1] == "tick":
        tick()
    else:
        print(json.dumps(asyncio.run(due(int(sys.argv[2])))))
