"""Database: one per process, and the queue in front of its connections: first come, first served, and bounded."""

import asyncio
import time
from collections.abc import Callable

import pytest
from sqlalchemy import text

from app.core.database import (
    Database,
    check_database_health,
    get_async_session,
    get_connection_info,
    get_database,
    get_database_stats,
    test_database_connection,
)
from app.core.exceptions import ConfigurationError, DatabaseConnectionError
from tests.applications import process_of_its_own
from tests.integration.core.conftest import shown

pytestmark = pytest.mark.anyio


async def test_session_gives_up_waiting_for_a_connection(open_database: Callable[..., Database]) -> None:
    database = open_database(pool_size=1, pool_timeout_seconds=0.05)

    async with database.session():
        began = time.monotonic()
        for way in (database.session, database.read_session):
            with pytest.raises(DatabaseConnectionError, match="busy"):
                async with way():
                    pass
        assert 0.1 <= time.monotonic() - began < 2
    assert await shown(database, "timezone") == "UTC"


async def test_session_waits_its_turn_for_a_connection(open_database: Callable[..., Database]) -> None:
    database = open_database(pool_size=2)
    served: list[int] = []

    async def ask(number: int) -> None:
        async with database.session() as session:
            served.append(number)
            await session.execute(text("SELECT pg_sleep(0.002)"))

    async with asyncio.timeout(10):
        await asyncio.gather(*map(ask, range(30)))

    assert served == list(range(30))
    assert get_database_stats().in_use == 0


async def test_get_database_stats_counts_the_overflow_that_comes_and_goes(
    open_database: Callable[..., Database],
) -> None:
    database = open_database(pool_size=1, max_overflow=1, pool_timeout_seconds=0.05)

    async with database.engine.connect(), database.engine.connect():
        assert get_database_stats() == (1, 2, 0, 1)
        # Health is asked for on a connection apart, which nothing that others do can take away.
        await test_database_connection()
        health = await check_database_health()
        assert health.healthy
        assert 0 < health.latency_ms < 5000
    assert get_database_stats() == (1, 0, 1, 0)


async def test_session_that_is_cancelled_leaves_the_queue(open_database: Callable[..., Database]) -> None:
    database = open_database(pool_size=1)

    async def ask() -> str:
        return await shown(database, "timezone")

    async with database.session():
        waiting = [asyncio.create_task(ask()) for _ in range(3)]
        await asyncio.sleep(0.01)
        waiting[0].cancel()
        await asyncio.wait([waiting[0]])
    async with asyncio.timeout(5):
        assert await waiting[1] == await waiting[2] == "UTC"


async def test_get_database_returns_the_process_s_only_one(open_database: Callable[..., Database]) -> None:
    with process_of_its_own():
        for use in (get_database, get_database_stats, get_connection_info):
            with pytest.raises(ConfigurationError, match="no Database"):
                use()
    first = open_database()
    assert get_database() is first
    with pytest.raises(ConfigurationError, match="already"):
        open_database()
    assert get_database() is first
    async with get_async_session() as session:
        assert await session.scalar(text("SELECT 1")) == 1


async def test_database_needs_settings_that_name_one(open_database: Callable[..., Database]) -> None:
    with pytest.raises(ConfigurationError, match="No database is configured") as caught:
        open_database(url=None)

    assert caught.value.next_step
