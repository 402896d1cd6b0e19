"""What health checks, `app doctor` and dashboards ask about the database."""

import time
from typing import NamedTuple, cast

from sqlalchemy import text
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.pool import QueuePool

from app.core.database.lifecycle import get_database
from app.core.exceptions import DatabaseConnectionError, DatabaseException


class DatabaseHealth(NamedTuple):
    """Whether the database answers, and how fast."""

    healthy: bool
    latency_ms: float


class DatabaseStats(NamedTuple):
    """The pool's connections at this moment."""

    size: int
    in_use: int
    idle: int
    overflow: int


class ConnectionInfo(NamedTuple):
    """Where the database is; there is no password in it."""

    host: str
    port: int | None
    database: str
    user: str
    ssl_mode: str


async def test_database_connection() -> None:
    """One round trip on a connection of the pool.

    Raises:
        DatabaseException: The server cannot be reached, refuses, or takes too long.
    """
    try:
        async with get_database().engine.connect() as connection:
            await connection.execute(text("SELECT 1"))
    except PoolTimeoutError as err:
        raise DatabaseConnectionError("The database is busy: no connection became free in time.") from err


# Its name is prescribed and begins like a test's; pytest must not collect it where it is imported.
test_database_connection.__test__ = False  # type: ignore[attr-defined]


async def check_database_health() -> DatabaseHealth:
    """Whether a round trip succeeds, and how many milliseconds it took. Raises nothing."""
    began = time.perf_counter()
    try:
        await test_database_connection()
    except DatabaseException:
        healthy = False
    else:
        healthy = True
    return DatabaseHealth(healthy=healthy, latency_ms=round((time.perf_counter() - began) * 1000, 3))


def get_database_stats() -> DatabaseStats:
    """How much of the pool is in use. Asks nobody."""
    # The only kind of pool that `create_engine` makes.
    pool = cast("QueuePool", get_database().engine.pool)
    return DatabaseStats(
        size=pool.size(), in_use=pool.checkedout(), idle=pool.checkedin(), overflow=max(0, pool.overflow())
    )


def get_connection_info() -> ConnectionInfo:
    """Where the process's engine connects to."""
    database = get_database()
    url = database.engine.url
    return ConnectionInfo(
        host=url.host or str(url.query.get("host", "")),
        port=url.port,
        database=url.database or "",
        user=url.username or "",
        ssl_mode=database.ssl_mode,
    )
