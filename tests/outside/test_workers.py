"""Workers: idle, several with one schedule, and one in front of a hundred thousand jobs."""

from __future__ import annotations

import json
import os
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.outside.serving import Databases
from tests.projects import Project

SCRIPT = Path(__file__).with_name("workers.py")
SECONDS = 15
TICKS = 10
IDLE_SHARE = 0.02
STOP_SECONDS = 60.0
MAKE_TICKS = "CREATE TABLE ticks (at timestamptz)"
READ_TICKS = "SELECT count(*), extract(epoch FROM max(at) - min(at))::float FROM ticks"
SQL = """
import asyncio, json, sys
import asyncpg

async def main(url, statement):
    connection = await asyncpg.connect(url.replace("+asyncpg", ""))
    print(json.dumps([list(row) for row in await connection.fetch(statement)]))
    await connection.close()

asyncio.run(main(*sys.argv[1:]))
"""


@pytest.fixture
def settings(full: Project, postgres: Databases) -> dict[str, str]:
    """The environment of workers on a migrated database of their own."""
    settings = {
        "DATABASE_URL": postgres.create(),
        "SECRET_KEY": "outside-0123456789abcdef0123456789abcdef",
        "LOG_LEVEL": "ERROR",
    }
    full.tool("app", "db", "upgrade", timeout=300, **settings).must_succeed()
    return settings


def query(full: Project, url: str, statement: str) -> list[list[float]]:
    """Run a statement and return its rows."""
    ran = full.tool("python", "-c", SQL, url, statement)
    ran.must_succeed()
    rows: list[list[float]] = json.loads(ran.output)
    return rows


@contextmanager
def running(
    full: Project, number: int, *command: str, **settings: str
) -> Iterator[list[subprocess.Popen[bytes]]]:
    """Run so many processes of a command until the block ends, and have them stop by SIGTERM."""
    path = [str(full.venv / "bin" / command[0]), *command[1:]]
    processes = [
        subprocess.Popen(path, cwd=full.folder, env=full.environment | settings)
        for _ in range(number)
    ]
    try:
        yield processes
        assert [process.poll() for process in processes] == [None] * number
    finally:
        for process in processes:
            process.terminate()
        codes = [process.wait(STOP_SECONDS) for process in processes]
    assert codes == [0] * number


def cpu_seconds(process: subprocess.Popen[bytes]) -> float:
    """Return the CPU that a process has taken (proc(5): utime and stime)."""
    fields = Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@pytest.mark.long
def test_an_idle_worker_takes_little_cpu(full: Project, settings: dict[str, str]) -> None:
    with running(full, 1, "app", "worker", **settings) as (worker,):
        before, now = -1.0, cpu_seconds(worker)
        # The start is over when a second takes next to nothing.
        while now - before > 0.1 or now < 0.5:
            time.sleep(1)
            before, now = now, cpu_seconds(worker)
        time.sleep(SECONDS)
        share = (cpu_seconds(worker) - now) / SECONDS

    assert share <= IDLE_SHARE


@pytest.mark.long
def test_a_scheduled_job_runs_once_with_five_workers(
    full: Project, settings: dict[str, str]
) -> None:
    url = settings["DATABASE_URL"]
    query(full, url, MAKE_TICKS)
    with running(full, 5, "python", str(SCRIPT), "tick", **settings):
        give_up = time.monotonic() + 120
        while (ticks := query(full, url, READ_TICKS)[0])[0] < TICKS:
            assert time.monotonic() < give_up, ticks
            time.sleep(1)

    ((ran, seconds),) = query(full, url, READ_TICKS)
    # The first, one for each three seconds from then on, and the last early or the first late.
    assert ran <= 1 + seconds / 3 + 1


@pytest.mark.long
def test_a_hundred_thousand_due_jobs_slow_neither_enqueueing_nor_the_worker(
    full: Project, settings: dict[str, str]
) -> None:
    driven = full.tool("python", str(SCRIPT), "due", "100000", timeout=600, **settings)
    driven.must_succeed()
    found = json.loads(driven.output.splitlines()[-1])
    print(found)

    assert found["many_first"] <= found["few_first"] + 5
    assert found["many_rate"] >= 0.5 * found["few_rate"]
    assert found["many_enqueue"] <= 2 * found["few_enqueue"]
