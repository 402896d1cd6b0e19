"""The process's database: the sessions that requests, commands and handlers borrow from it, and its state."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from functools import partial
from typing import Final, NamedTuple

from sqlalchemy import text
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from app.core.config.database import DatabaseSettings
from app.core.database.connections import Connections
from app.core.database.engine import make_engine, session_settings
from app.core.database.sessions import ReadSession, WriteSession
from app.core.exceptions import ConfigurationError, DatabaseConnectionError, DatabaseException
from app.core.process import get_object

_CLOSE_SECONDS: Final = 2.0  # the longest that closing connections takes when a process stops


class DatabaseStats(NamedTuple):
    """The connections at this moment, and how many requests and jobs wait for one."""

    size: int
    in_use: int
    idle: int
    overflow: int
    waiting: int


class Database:
    """An engine for changes and one for reading, of the same size; ConfigurationError where none is configured.

    `application_name` is the name of this process in `pg_stat_activity`.
    """

    def __init__(self, settings: DatabaseSettings, *, application_name: str = "app") -> None:
        # Nothing is connected here: a server that is still starting delays no start of ours.
        self.settings = settings
        engine = partial(make_engine, settings, application_name=application_name)
        self.writing = Connections(engine(), settings)
        self.reading = Connections(engine(read_only=True), settings)
        # For questions about health, which wait behind no request.
        self.probes = engine(pool_size=1, max_overflow=0, pool_timeout=settings.connect_timeout_seconds)
        self.reader = ReadSession(self.reading)

    async def close(self) -> None:
        """Close every connection; those that a server no longer answers on are left to it."""
        with suppress(TimeoutError):
            async with asyncio.timeout(_CLOSE_SECONDS):
                await self.reading.close()
                await self.writing.close()
                await self.probes.dispose()


def get_database() -> Database:
    """Return the process's database; ConfigurationError where there is none yet, or no longer."""
    return get_object(Database)


async def get_db_session() -> AsyncIterator[WriteSession]:
    """FastAPI dependency: a session for changes, in blocks of `atomic()`; UncommittedChangesError if any were not."""
    session = WriteSession(get_database().writing)
    try:
        yield session
        await session.require_committed()
    finally:
        await session.close()


# The same for scripts and jobs: `async with get_async_session() as session:`.
get_async_session = asynccontextmanager(get_db_session)


async def get_read_session() -> ReadSession:
    """FastAPI dependency: the session of a request that only reads. Each dependency that yields would cost 20 µs."""
    return get_database().reader


async def test_database_connection() -> None:
    """Ask whether the database takes changes, in one round trip on a connection apart from those of requests.

    A disk that is full is known from the statements that fail on it. From then on something is written and rolled back
    here until there is room: ordinarily, nothing is. DatabaseException where the answer is no, or none.
    """
    database = get_database()
    async with database.probes.connect() as connection:
        # On: a standby, or what providers switch on where a disk is nearly full (default_transaction_read_only).
        if await connection.scalar(text("SELECT current_setting('transaction_read_only')::bool")):
            raise DatabaseConnectionError("The database takes no changes: it is read-only.")
        if database.writing.disk_full:
            await connection.execute(text("CREATE TEMPORARY TABLE room_for_a_page AS SELECT 1 AS page"))
            await connection.rollback()
            database.writing.disk_full = False


# Its name is prescribed and begins like a test's; pytest must not collect it where it is imported.
test_database_connection.__test__ = False  # type: ignore[attr-defined]


async def check_database_health() -> float | None:
    """Return the milliseconds that `test_database_connection()` took; None where it failed. Raises nothing."""
    began = time.perf_counter()
    with suppress(DatabaseException, PoolTimeoutError):
        await test_database_connection()
        return round((time.perf_counter() - began) * 1000, 3)
    return None


def get_database_stats() -> DatabaseStats:
    """Return the use of both pools, which asks no server."""
    database = get_database()
    return DatabaseStats(*map(sum, zip(database.writing.usage(), database.reading.usage(), strict=True)))


def get_connection_info() -> str:
    """Return the address that the process's engines connect to; there is no password in it."""
    return get_database().writing.engine.url.render_as_string(hide_password=True)


async def check_session_settings(database: Database) -> None:
    """Raise ConfigurationError unless transactions run under their settings, which a pooler may have dropped."""
    limits = session_settings(database.settings)
    reading = limits | {"default_transaction_read_only": "on"}
    for engine, wanted in ((database.writing.engine, limits), (database.reading.engine, reading)):
        async with engine.connect() as connection:
            rows = await connection.execute(text("SELECT lower(name), setting FROM pg_settings"))
            found = {name: setting for name, setting in rows if name in wanted}
        if found != wanted:
            raise ConfigurationError(
                f"The database does not keep to the limits of this application: {found} instead of {wanted}.",
                next_step="Set DATABASE_POOLER=transaction if there is a pooler, and let it ignore no parameters.",
            )
