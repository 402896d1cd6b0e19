"""A database, the queue of jobs with it, whose disk is full: what is accepted is whole."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

from tests.outside.serving import Databases, Served, served
from tests.projects import Project

SQL = """
import asyncio, sys
import asyncpg
async def main(url, *statements):
    connection = await asyncpg.connect(url)
    for statement in statements:
        for row in await connection.fetch(statement):
            print(*row)
    await connection.close()
asyncio.run(main(*sys.argv[1:]))
"""


def sql(full: Project, url: str, *statements: str) -> str:
    """Run statements, each in a transaction of its own, and return their rows."""
    python = str(full.venv / "bin" / "python")
    finished = full.run(python, "-c", SQL, url.replace("+asyncpg", ""), *statements)
    finished.must_succeed()
    return finished.output


@pytest.fixture
def small_disk() -> Iterator[Path]:
    """Mount a file system of 40 MB; only the system's administrator can."""
    folder = Path("/tmp") / f"small-disk-{os.getpid()}"  # noqa: S108 — PostgreSQL's user must reach it
    folder.mkdir()
    mounted = os.geteuid() == 0 and not subprocess.call(
        ["mount", "-t", "tmpfs", "-o", "size=40m,mode=0777", "tmpfs", str(folder)]
    )
    try:
        if not mounted:
            pytest.skip("no file system can be mounted here")
        yield folder
    finally:
        if mounted:
            subprocess.check_call(["umount", "--lazy", str(folder)])
        shutil.rmtree(folder)


def fill(ballast: Path) -> None:
    """Write until there is no room left, not for a page."""
    with suppress(OSError), ballast.open("wb", buffering=0) as file:
        for size in (65_536, 4096):
            with suppress(OSError):
                while True:
                    file.write(b"0" * size)


def status(server: Served) -> int:
    """Return the status of the readiness probe."""
    try:
        with urllib.request.urlopen(f"{server.url}/api/v1/health/ready", timeout=30) as answer:
            found: int = answer.status
            return found
    except urllib.error.HTTPError as error:
        return error.code


def register(server: Served, number: int) -> int:
    """Write a user and a job, and return the status."""
    body = {"email": f"u{number}@example.com", "password": "correct horse battery"}
    request = urllib.request.Request(
        f"{server.url}/api/v1/auth/register",
        data=json.dumps(body).encode(),
        # Each from an address of its own, as far as the server knows.
        headers={"Content-Type": "application/json", "X-Forwarded-For": f"10.1.1.{number % 250}"},
    )
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            found: int = answer.status
            return found
    except urllib.error.HTTPError as error:
        return error.code


def test_readiness_is_lost_with_the_first_write_that_finds_no_room(
    full: Project, postgres: Databases, small_disk: Path, tmp_path: Path
) -> None:
    url = postgres.create()
    space = small_disk / "space"
    space.mkdir()
    owner = Path(parse_qs(urlsplit(url).query)["host"][0]).stat()
    os.chown(space, owner.st_uid, owner.st_gid)
    name = urlsplit(url).path.removeprefix("/")
    maintenance = url.replace(f"/{name}?", "/postgres?")
    sql(
        full,
        maintenance,
        f"CREATE TABLESPACE small LOCATION '{space}'",
        f"ALTER DATABASE {name} SET TABLESPACE small",
    )
    with served(full, url, tmp_path / "log") as server:
        assert status(server) == 200
        ballast = small_disk / "ballast"
        fill(ballast)
        statuses = [register(server, number) for number in range(250)]
        assert set(statuses) <= {202, 503}
        assert statuses[-1] == 503
        assert status(server) == 503
        ballast.unlink()

        give_up = time.monotonic() + 30
        while status(server) != 200:
            assert time.monotonic() < give_up, "there is room, and it is not ready"
            time.sleep(0.2)
        assert register(server, 9999) == 202
        # Each that was accepted has its user and its job, and no other has either.
        accepted = statuses.count(202) + 1
        users = "SELECT count(*) FROM users"
        jobs = "SELECT count(*) FROM jobs.pgqueuer WHERE entrypoint = 'account.link'"
        assert sql(full, url, users, jobs).split() == [str(accepted)] * 2
    sql(full, maintenance, f"DROP DATABASE {name} WITH (FORCE)", "DROP TABLESPACE small")
