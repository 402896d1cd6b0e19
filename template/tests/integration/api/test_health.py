"""Probes: their answers, their time, and the secrets that they keep."""

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from importlib.metadata import version

import pytest
from dirty_equals import IsPositiveFloat
from fastapi import FastAPI
from httpx import ASGITransport, AsyncClient
from pydantic import SecretStr
from sqlalchemy import text
from sqlalchemy.engine import make_url

from app.core.config import ApplicationSettings, DatabaseSettings
from app.core.database import get_database
from app.core.exceptions import DatabaseConnectionError
from app.core.health import Health, HealthCheck
from app.wiring import DISTRIBUTION
from tests.applications import process_with, running
from tests.logs import Log, captured_log

pytestmark = pytest.mark.anyio

HEALTH = "/api/v1/health"


async def works() -> None:
    await asyncio.sleep(0)


async def fails() -> None:
    raise RuntimeError("at postgres://app:Xq7planted@db.internal/app")


async def hangs() -> None:
    await asyncio.sleep(60)


Checks = dict[str, tuple[Callable[[], Awaitable[object]], bool]]


@asynccontextmanager
async def depending_on(app: FastAPI, checks: Checks) -> AsyncIterator[AsyncClient]:
    """A client of the application while it depends on these parts, each required or not."""
    health = Health(
        [HealthCheck(name, check, required=required, timeout_seconds=0.1) for name, (check, required) in checks.items()]
    )
    with process_with(health):
        async with AsyncClient(transport=ASGITransport(app), base_url="http://test") as client:
            yield client


async def test_the_application_is_ready_with_its_database(app: FastAPI) -> None:
    async with AsyncClient(transport=ASGITransport(app), base_url="http://test") as client:
        answer = await client.get(f"{HEALTH}/ready")

    assert answer.status_code == 200
    assert answer.json() == {
        "status": "healthy",
        "components": {"database": {"status": "healthy", "required": True, "duration_ms": IsPositiveFloat()}},
    }


@pytest.mark.parametrize(
    ("checks", "status", "verdict", "unhealthy"),
    [
        ({}, 200, "healthy", set()),
        ({"a": (works, True), "b": (works, False)}, 200, "healthy", set()),
        ({"a": (works, True), "b": (fails, False)}, 200, "degraded", {"b"}),
        ({"a": (fails, True), "b": (works, False)}, 503, "unhealthy", {"a"}),
        ({str(part): (hangs, True) for part in range(10)}, 503, "unhealthy", {str(part) for part in range(10)}),
        ({"a": (works, True), "b": (hangs, False)}, 200, "degraded", {"b"}),
    ],
)
async def test_readiness_tells_by_its_status(
    checks: Checks, status: int, verdict: str, unhealthy: set[str], app: FastAPI
) -> None:
    async with depending_on(app, checks) as client:
        with captured_log() as log:
            async with asyncio.timeout(0.9):  # all at once, each for 0.1 s
                ready = await client.get(f"{HEALTH}/ready")
            overview = await client.get(f"{HEALTH}/")

    assert (ready.status_code, overview.status_code) == (status, 200)
    for answer in (ready, overview):
        found = answer.json()
        assert found["status"] == verdict
        assert found["components"].keys() == checks.keys()
        assert {name for name, part in found["components"].items() if part["status"] == "unhealthy"} == unhealthy
        for secret in ("planted", "db.internal", "RuntimeError", "TimeoutError"):
            assert secret not in answer.text
    assert overview.json()["version"] == version(DISTRIBUTION)
    assert overview.json()["uptime_seconds"] >= 0
    assert {line["component"] for line in log.events("health check failed")} == unhealthy
    assert "planted" not in log.text


async def test_a_process_without_its_database_lives_and_is_not_ready(settings: ApplicationSettings, log: Log) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        database = DatabaseSettings(url=SecretStr(f"postgresql://127.0.0.1:{taken.getsockname()[1]}/app"))
    async with running(settings.model_copy(update={"database": database})) as client:
        live = await client.get(f"{HEALTH}/live")
        ready = await client.get(f"{HEALTH}/ready")
        overview = await client.get(f"{HEALTH}/")

    assert (live.status_code, live.json()) == (200, {"status": "healthy"})
    assert ready.status_code == 503
    assert ready.json()["components"]["database"]["status"] == "unhealthy"
    assert "127.0.0.1" not in ready.text
    assert (overview.status_code, overview.json()["status"]) == (200, "unhealthy")


async def test_live_runs_no_check(app: FastAPI) -> None:
    async with depending_on(app, {"a": (hangs, True), "b": (fails, True)}) as client:
        answer = await client.get(f"{HEALTH}/live")

    assert (answer.status_code, answer.json()) == (200, {"status": "healthy"})


async def test_readiness_waits_behind_no_request(settings: ApplicationSettings) -> None:
    """All connections taken, and the queue in front of them full: the process works, and must not lose its traffic."""
    busy = settings.database.model_copy(update={"pool_size": 1, "pool_timeout_seconds": 0.05})
    async with running(settings.model_copy(update={"database": busy})) as client, get_database().session() as session:
        await session.execute(text("SELECT 1"))
        with pytest.raises(DatabaseConnectionError, match="busy"):
            async with get_database().session():
                pass
        answers = await asyncio.gather(*(client.get(f"{HEALTH}/ready") for _ in range(5)))

    assert {answer.status_code for answer in answers} == {200}
    assert {answer.json()["status"] for answer in answers} == {"healthy"}


async def test_readiness_is_lost_where_the_database_takes_no_changes(
    settings: ApplicationSettings, scratch_url: str
) -> None:
    """As providers make it where a disk is nearly full; each new connection is told so."""
    name = make_url(scratch_url).database
    async with running(settings.with_database_url(scratch_url)) as client:
        async with get_database().engine.begin() as connection:
            await connection.execute(text(f'ALTER DATABASE "{name}" SET default_transaction_read_only = on'))
        refused = await client.get(f"{HEALTH}/ready")
        async with get_database().engine.begin() as connection:
            await connection.execute(text(f'ALTER DATABASE "{name}" SET default_transaction_read_only = off'))
        await get_database().probes.dispose()
        taken = await client.get(f"{HEALTH}/ready")

    assert (refused.status_code, taken.status_code) == (503, 200)
    assert refused.json()["components"]["database"]["status"] == "unhealthy"


async def test_ready_runs_no_external_check(app: FastAPI) -> None:
    asked: list[str] = []

    async def elsewhere() -> None:
        asked.append("once")

    with process_with(Health([HealthCheck("far", elsewhere, external=True)])):
        async with AsyncClient(transport=ASGITransport(app), base_url="http://test") as client:
            ready = await client.get(f"{HEALTH}/ready")
            overview = await client.get(f"{HEALTH}/")

    assert (ready.status_code, ready.json()["components"]) == (200, {})
    assert overview.json()["components"]["far"]["status"] == "healthy"
    assert asked == ["once"]
