"""Every test of measurements twice: on a plain table, and on a hypertable where the test server can have one."""

import asyncio
from collections.abc import AsyncIterator, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from fastapi import FastAPI
from httpx import AsyncClient
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from app.core import cache
from app.core.config import ApplicationSettings
from app.core.database import Database, get_database
from tests.clients import make_client
from tests.databases import DatabaseServer
from tests.factories import make_user
from tests.hypertables import enabled, find_reason_against, set_up
from tests.turns import SharedConnection, using

PATH = "/api/v1/measurements"
# Yesterday at midnight: hours and days from here are whole buckets.
MIDNIGHT = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0) - timedelta(days=1)


@pytest.fixture(scope="session", params=["plain", "hypertable"])
def measuring_settings(
    request: pytest.FixtureRequest, server: DatabaseServer, worker_id: str, settings: ApplicationSettings
) -> Iterator[ApplicationSettings]:
    """Settings with a database of the kind."""
    if request.param == "hypertable" and (reason := asyncio.run(find_reason_against(server))):
        pytest.skip(reason)
    with server.clone(f"{worker_id}_{request.param}") as url:
        found = settings.with_database_url(url)
        if request.param == "hypertable":
            asyncio.run(set_up(url, enabled()))
        yield found


@pytest.fixture(scope="session")
async def measuring_database(measuring_settings: ApplicationSettings) -> AsyncIterator[Database]:
    database = Database(measuring_settings.database)
    yield database
    await database.close()


@pytest.fixture(scope="session")
async def shared(measuring_database: Database) -> AsyncIterator[SharedConnection]:
    shared = SharedConnection(measuring_database)
    yield shared
    await shared.close()


@pytest.fixture
async def transaction(app: FastAPI, shared: SharedConnection) -> AsyncIterator[AsyncConnection]:
    """The same as for other tests, but in that database."""
    async with shared.transaction(get_database()) as connection:
        yield connection
    await cache.clear()


@pytest.fixture
async def client(app: FastAPI, transaction: AsyncConnection) -> AsyncIterator[AsyncClient]:
    _, tokens = await make_user()
    async with make_client(app, tokens) as client:
        yield client


@pytest.fixture
async def other_client(app: FastAPI, client: AsyncClient) -> AsyncIterator[AsyncClient]:
    """Another user's client."""
    _, tokens = await make_user()
    async with make_client(app, tokens) as other:
        yield other


@pytest.fixture
async def committing(app: FastAPI, measuring_database: Database) -> AsyncIterator[AsyncClient]:
    """A client whose measurements are committed, for what one connection cannot show."""
    with using(get_database(), measuring_database.writing, measuring_database.reading):
        _, tokens = await make_user()
        async with make_client(app, tokens) as client:
            yield client
    async with measuring_database.writing.engine.begin() as connection:
        await connection.execute(text("DELETE FROM users"))


def rows(series: str, values: Sequence[float], *, begin: datetime = MIDNIGHT, minutes: float = 60) -> list[Any]:
    """Measurements of a series, each so many minutes after the one before."""
    return [
        {"series": series, "observed_at": (begin + timedelta(minutes=minutes * n)).isoformat(), "value": value}
        for n, value in enumerate(values)
    ]


async def ingest(client: AsyncClient, measurements: list[Any]) -> dict[str, int]:
    """Send a batch, and return its outcome."""
    answer = await client.post(PATH, json={"measurements": measurements})
    assert answer.status_code == 200, answer.text
    found: dict[str, int] = answer.json()
    return found


def span(hours: float, *, series: str = "a", **more: object) -> dict[str, Any]:
    """The query of a range that starts at midnight."""
    end = MIDNIGHT + timedelta(hours=hours)
    return {"series": series, "start": MIDNIGHT.isoformat(), "end": end.isoformat(), **more}
