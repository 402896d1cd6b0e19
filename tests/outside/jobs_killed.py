"""Two servers and three workers that are killed over and over: run by a rendered project's Python.

`drive REQUESTS KILLS RESTARTS` prints the counts as JSON; `web PORT` and `work` are the processes
that it starts and kills. DATABASE_URL names a migrated database.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import signal
import socket
import subprocess
import sys
import time
from contextlib import suppress
from typing import Any, ClassVar
from uuid import uuid4

import asyncpg
import httpx
import uvicorn
from app.api.dependencies import UnitOfWork
from app.cli import serve
from app.core.config import get_settings
from app.core.database import Statement
from app.core.exceptions import BusinessRuleError
from app.core.jobs import BaseJob, engine, get_jobs
from app.core.uow import unit_of_work
from app.main import create_app
from sqlalchemy import bindparam, text

CLIENTS = 8
PATIENCE_SECONDS = 180
ASKED = Statement(text("INSERT INTO asked VALUES (:mark)").bindparams(bindparam("mark")))
RAN = Statement(text("INSERT INTO ran VALUES (:mark)").bindparams(bindparam("mark")))


class Mark(BaseJob):
    """Notes that it has run."""

    type: ClassVar[str] = "mark"
    backoff_seconds: ClassVar[float] = 0.1
    mark: str


async def run_mark(job: Mark) -> None:
    """Leave time to be killed in, before and after the commit."""
    await asyncio.sleep(random.uniform(0, 0.05))  # noqa: S311
    async with unit_of_work() as uow:
        await uow.session.execute(RAN, mark=job.mark)
    await asyncio.sleep(random.uniform(0, 0.05))  # noqa: S311


def web(port: int) -> None:
    """Serve a route that enqueues, and one that does so and fails."""
    app = create_app(get_settings())

    async def ask(mark: str, uow: UnitOfWork) -> None:
        await uow.session.execute(ASKED, mark=mark)
        uow.enqueue(Mark(mark=mark))

    async def fail(mark: str, uow: UnitOfWork) -> None:
        await ask(mark, uow)
        raise BusinessRuleError("Not today.")

    app.post("/ask/{mark}")(ask)
    app.post("/fail/{mark}")(fail)
    uvicorn.run(app, port=port, log_config=None, access_log=False)


def work() -> None:
    """Run jobs as `app worker` does, with a type more."""
    usual = engine.run_jobs

    async def with_marks(*arguments: Any) -> None:
        get_jobs().register(Mark, run_mark)
        await usual(*arguments)

    engine.run_jobs = with_marks
    serve.work(get_settings())


class Fleet:
    """The processes, each of which is started again when it was killed."""

    def __init__(self) -> None:
        self.ports = [_free_port(), _free_port()]
        roles = [*(("web", str(port)) for port in self.ports), *[("work",)] * 3]
        self.processes = [(role, _start(*role)) for role in roles]

    def kill_one(self, chance: random.Random) -> None:
        """Kill any of them, and start it again."""
        index = chance.randrange(len(self.processes))
        role, process = self.processes[index]
        process.kill()
        process.wait()
        self.processes[index] = role, _start(*role)

    def end(self) -> None:
        """Stop all of them."""
        for _, process in self.processes:
            process.terminate()
        for _, process in self.processes:
            process.wait(60)


async def drive(requests: int, kills: int, restarts: int) -> dict[str, int]:
    """Ask until so many requests were answered, kill meanwhile, and count in the end."""
    chance, url = random.Random(kills), os.environ["DATABASE_URL"].replace("+asyncpg", "")  # noqa: S311
    connection = await asyncpg.connect(url)
    await connection.execute("CREATE TABLE asked (mark text); CREATE TABLE ran (mark text)")
    # As in production: the embedded server answers COMMIT before the log is on the disk.
    name = await connection.fetchval("SELECT quote_ident(current_database())")
    await connection.execute(f"ALTER DATABASE {name} SET synchronous_commit = on")
    await connection.close()
    fleet, answered, failed = Fleet(), [0], [0]

    async def ask(client: httpx.AsyncClient) -> None:
        while answered[0] + failed[0] < requests:
            route, port = chance.choice(["ask"] * 4 + ["fail"]), chance.choice(fleet.ports)
            with suppress(httpx.HTTPError):
                answer = await client.post(f"http://127.0.0.1:{port}/{route}/{uuid4().hex}")
                answered[0] += answer.status_code == 200
                failed[0] += answer.status_code == 409
            await asyncio.sleep(0.05)

    began, done = time.monotonic(), 0
    try:
        async with httpx.AsyncClient(timeout=10) as client:
            asking = [asyncio.create_task(ask(client)) for _ in range(CLIENTS)]
            for number in range(kills):
                goal = (number + 1) * requests // (kills + 1)
                give_up = time.monotonic() + PATIENCE_SECONDS
                while answered[0] + failed[0] < goal:
                    assert time.monotonic() < give_up, "nothing is answered any more"
                    await asyncio.sleep(0.02)
                await asyncio.to_thread(fleet.kill_one, chance)
                if restarts and number % max(1, kills // restarts) == 0 and done < restarts:
                    done += 1
                    await _crash_server(url)
            await asyncio.gather(*asking)
        counts = await _count(url)
        for _ in range(PATIENCE_SECONDS):
            if counts["waiting"] == 0:
                break
            await asyncio.sleep(1)
            counts = await _count(url)
    finally:
        fleet.end()
    seconds = round(time.monotonic() - began)
    return {
        **counts,
        "answered": answered[0],
        "refused": failed[0],
        "kills": kills,
        "restarts": done,
        "seconds": seconds,
    }


async def _crash_server(url: str) -> None:
    """Kill a process of the server, which then ends all others, recovers and starts anew."""
    connection = await asyncpg.connect(url)
    pid = await connection.fetchval("SELECT pg_backend_pid()")
    os.kill(pid, signal.SIGKILL)
    connection.terminate()


async def _count(url: str) -> dict[str, int]:
    connection = await asyncpg.connect(url)
    try:
        counts = await connection.fetchrow(
            "SELECT (SELECT count(*) FROM asked) AS committed, "
            "(SELECT count(*) FROM (TABLE asked EXCEPT TABLE ran)) AS lost, "
            "(SELECT count(*) FROM (TABLE ran EXCEPT TABLE asked)) AS made_up, "
            "(SELECT count(*) - count(DISTINCT mark) FROM ran) AS repeated, "
            "(SELECT count(*) FROM jobs.pgqueuer WHERE status != 'failed') AS waiting, "
            "(SELECT count(*) FROM jobs.pgqueuer WHERE status = 'failed') AS put_aside"
        )
        return dict(counts)
    finally:
        await connection.close()


def _start(*role: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, __file__, *role], stdin=subprocess.DEVNULL)


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])


if __name__ == "__main__":
    if sys.argv[1] == "web":
        web(int(sys.argv[2]))
    elif sys.argv[1] == "work":
        work()
    else:
        print(json.dumps(asyncio.run(drive(*map(int, sys.argv[2:])))))
