"""Probes: their answers, their time, and the secrets that they keep."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from importlib.metadata import version

import pytest
from dirty_equals import IsPositiveFloat
from fastapi import FastAPI
from httpx import AsyncClient
from sqlalchemy import text
from sqlalchemy.engine import make_url

from app.core.config import ApplicationSettings
from app.core.database import get_async_session, get_database
from app.core.exceptions import DatabaseConnectionError
from app.core.health import Health, HealthCheck
from app.wiring import DISTRIBUTION
from tests.applications import process_with, running
from tests.clients import make_client
from tests.logs import captured_log

pytestmark = pytest.mark.anyio

HEALTH = "/api/v1/health"


async def works() -> None:
    pass


async def fails() -> None:
    raise RuntimeError("at postgres://app:Xq7planted@db.internal/app")


async def hangs() -> None:
    await asyncio.sleep(60)


Checks = dict[str, tuple[Callable[[], Awaitable[object]], bool]]


@asynccontextmanager
async def depending_on(app: FastAPI, *checks: HealthCheck) -> AsyncIterator[AsyncClient]:
    """A client of the application while it depends on these parts."""
    with process_with(Health(checks)):
        async with make_client(app) as client:
            yield client


@pytest.mark.parametrize(
    ("checks", "status", "verdict", "unhealthy"),
    [
        ({}, 200, "healthy", set()),
        ({"a": (works, True), "b": (fails, False)}, 200, "degraded", {"b"}),
        ({"a": (fails, True), "b": (works, False)}, 503, "unhealthy", {"a"}),
        ({str(part): (hangs, True) for part in range(10)}, 503, "unhealthy", {str(part) for part in range(10)}),
    ],
)
async def test_ready_tells_by_its_status_and_live_asks_nothing(
    checks: Checks, status: int, verdict: str, unhealthy: set[str], app: FastAPI
) -> None:
    parts = (HealthCheck(name, each, required=needed, timeout_seconds=0.5) for name, (each, needed) in checks.items())
    async with depending_on(app, *parts) as client:
        live = await client.get(f"{HEALTH}/live")
        with captured_log() as log:
            async with asyncio.timeout(4.9):  # all at once, each for 0.5 s
                ready = await client.get(f"{HEALTH}/ready")
        overview = await client.get(f"{HEALTH}/")

    assert (live.status_code, live.json()) == (200, {"status": "healthy"})
    assert (ready.status_code, overview.status_code) == (status, 200)
    for found in (ready.json(), overview.json()):
        assert (found["status"], found["components"].keys()) == (verdict, checks.keys())
        assert {name for name, part in found["components"].items() if part["status"] == "unhealthy"} == unhealthy
        assert not [secret for secret in ("planted", "db.internal", "Error") if secret in str(found)]
    assert (overview.json()["version"], overview.json()["uptime_seconds"] >= 0) == (version(DISTRIBUTION), True)
    assert {line["component"] for line in log.events("health check failed")} == unhealthy
    assert "planted" not in log.text


async def test_ready_asks_no_third_party_and_the_overview_seldom(app: FastAPI) -> None:
    asked: list[str] = []

    async def elsewhere() -> None:
        asked.append("once")

    async with depending_on(app, HealthCheck("far", elsewhere, external=True)) as client:
        ready = await client.get(f"{HEALTH}/ready")
        overviews = [await client.get(f"{HEALTH}/") for _ in range(3)]

    assert (ready.status_code, ready.json()["components"]) == (200, {})
    assert {each.json()["components"]["far"]["status"] for each in overviews} == {"healthy"}
    assert asked == ["once"]


async def test_readiness_waits_behind_no_request(settings: ApplicationSettings) -> None:
    """All connections taken, and the queue in front of them full: the process works, and must not lose its traffic."""
    busy = settings.database.model_copy(update={"pool_size": 1, "pool_timeout_seconds": 0.05})
    async with running(settings.model_copy(update={"database": busy})) as client, get_async_session() as session:
        await (await session.orm()).execute(text("SELECT 1"))
        with pytest.raises(DatabaseConnectionError, match="busy"):
            async with get_async_session() as other:
                await other.driver()
        answers = await asyncio.gather(*(client.get(f"{HEALTH}/ready") for _ in range(5)))

    assert {answer.status_code for answer in answers} == {200}
    assert answers[0].json() == {
        "status": "healthy",
        "components": {"database": {"status": "healthy", "required": True, "duration_ms": IsPositiveFloat()}},
    }


async def test_ready_is_503_where_the_database_takes_no_changes(
    settings: ApplicationSettings, scratch_url: str
) -> None:
    """As providers make it where a disk is nearly full; each new connection is told so."""
    name = make_url(scratch_url).database
    async with running(settings.with_database_url(scratch_url)) as client:
        for read_only, status in (("on", 503), ("off", 200)):
            async with get_database().writing.engine.begin() as connection:
                await connection.execute(
                    text(f'ALTER DATABASE "{name}" SET default_transaction_read_only = {read_only}')
                )
            await get_database().probes.dispose()
            assert (await client.get(f"{HEALTH}/ready")).status_code == status
