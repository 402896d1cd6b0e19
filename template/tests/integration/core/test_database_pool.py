"""Database: one per process, and the queues in front of its connections: first come, first served, and bounded."""

import asyncio
import time
from collections.abc import Callable

import pytest
from sqlalchemy import text

from app.core.database import (
    Database,
    Statement,
    check_database_health,
    get_async_session,
    get_database_stats,
    test_database_connection,
)
from app.core.database.connections import Connections
from app.core.exceptions import DatabaseConnectionError

pytestmark = pytest.mark.anyio

SLEEP = Statement(text("SELECT 1 FROM pg_sleep(:seconds)"), int)


async def read(database: Database, *, seconds: float = 0) -> int:
    return await database.reader.one(SLEEP, seconds=seconds)


async def write(_database: Database, *, seconds: float = 0) -> int:
    async with get_async_session() as session:
        return await session.one(SLEEP, seconds=seconds)


EACH_WAY = pytest.mark.parametrize("way", [read, write])


@EACH_WAY
async def test_a_statement_gives_up_waiting_for_a_connection(
    way: Callable[..., asyncio.Future[int]], open_database: Callable[..., Database]
) -> None:
    database = open_database(pool_size=1, pool_timeout_seconds=0.05)

    long = asyncio.ensure_future(way(database, seconds=0.3))
    await asyncio.sleep(0.02)
    began = time.monotonic()
    with pytest.raises(DatabaseConnectionError, match="busy"):
        await way(database)
    assert 0.05 <= time.monotonic() - began < 0.25
    assert await long == 1


@pytest.mark.parametrize("connections", ["reading", "writing"])
async def test_connections_are_lent_first_come_first_served(
    connections: str, open_database: Callable[..., Database]
) -> None:
    lender: Connections = getattr(open_database(pool_size=2), connections)
    opened = [await lender.borrow(), await lender.borrow()]
    for each in opened:
        await lender.give_back(each)
    served: list[int] = []

    async def ask(number: int) -> None:
        for _ in range(2):
            connection = await lender.borrow()
            served.append(number)
            await asyncio.sleep(0.002)
            await lender.give_back(connection)

    async with asyncio.timeout(10):
        await asyncio.gather(*map(ask, range(30)))

    assert served == list(range(30)) * 2
    assert get_database_stats().in_use == 0


@EACH_WAY
async def test_a_statement_that_is_cancelled_leaves_the_queue_and_its_connection(
    way: Callable[..., asyncio.Future[int]], open_database: Callable[..., Database]
) -> None:
    database = open_database(pool_size=1)

    running = [asyncio.ensure_future(way(database, seconds=0.2)) for _ in range(4)]
    await asyncio.sleep(0.02)
    for task in running[:2]:
        task.cancel()
    await asyncio.wait(running[:2])
    async with asyncio.timeout(5):
        assert await running[2] == await running[3] == await way(database) == 1
    assert get_database_stats().in_use == 0


async def test_get_database_stats_counts_both_pools_and_the_overflow(open_database: Callable[..., Database]) -> None:
    database = open_database(pool_size=1, max_overflow=1, pool_timeout_seconds=0.05)
    assert get_database_stats() == (2, 0, 0, 0, 0)

    async with database.writing.engine.connect(), database.writing.engine.connect():
        assert await read(database) == 1
        assert get_database_stats() == (2, 2, 1, 1, 0)
        # Health is asked for on a connection apart, which nothing that others do can take away.
        await test_database_connection()
        assert 0 < (await check_database_health() or 0) < 5000
    assert get_database_stats() == (2, 0, 2, 0, 0)


async def test_a_connection_that_ended_under_a_statement_is_not_lent_again(
    open_database: Callable[..., Database],
) -> None:
    database = open_database(pool_size=1, max_overflow=0)
    pool = database.reading
    lent = await pool.borrow()

    lent.driver_connection.terminate()  # type: ignore[union-attr]
    await pool.give_back(lent)

    assert pool.usage()[1] == 0
    assert await read(database) == 1


@pytest.mark.parametrize("connections", ["reading", "writing"])
async def test_connections_that_nothing_has_room_for_are_closed(
    connections: str, open_database: Callable[..., Database]
) -> None:
    """A task that was cancelled may still roll back when the process has closed its database."""
    database = open_database(max_overflow=1)
    pool: Connections = getattr(database, connections)
    lent = [await pool.borrow() for _ in range(3)]
    drivers = [each.driver_connection for each in lent]
    await pool.give_back(lent.pop())
    # Connections of the engine's own leave no room in its pool for what was kept.
    async with database.writing.engine.connect(), database.writing.engine.connect():
        pass
    await database.close()
    for each in lent:
        await pool.give_back(each)
    assert all(driver is None or driver.is_closed() for driver in drivers)
