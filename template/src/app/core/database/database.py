"""The process's database, and the sessions that requests, commands and handlers of events borrow from it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from functools import cached_property
from typing import Final

from sqlalchemy.ext.asyncio import AsyncEngine

from app.core.config import DatabaseSettings
from app.core.database.connections import Connections
from app.core.database.engine import make_engine
from app.core.database.sessions import Reader, ReadSession, WriteSession
from app.core.exceptions import ConfigurationError
from app.core.process import get_object

# The longest that closing connections takes when a process stops.
_CLOSE_SECONDS: Final = 2.0
# Reads use a connection for so long before the pool looks at it again.
_KEEP_SECONDS: Final = 1.0


class Database:
    """An engine for changes and one for reading, of the same size, and the sessions on them.

    Args:
        settings: The place of the database, and its limits.
        application_name: The name of this process in `pg_stat_activity`.

    Raises:
        ConfigurationError: No database is configured.
    """

    def __init__(self, settings: DatabaseSettings, *, application_name: str = "app") -> None:
        # Nothing is connected here: a server that is still starting delays no start of ours.
        if not settings.is_configured:
            raise ConfigurationError(
                "No database is configured.",
                next_step="Set DATABASE_URL or POSTGRES_HOST, or start with `app dev`, which brings its own.",
            )
        self.settings = settings
        self._application_name = application_name
        self.writing = self._connections(read_only=False)
        self.reading = self._connections(read_only=True)
        # The session of whatever only reads: each statement on a connection of its own.
        self.reader: ReadSession = Reader(self.reading, begins=settings.pooler == "transaction")
        self.extensions: dict[str, bool] = {}

    @property
    def engine(self) -> AsyncEngine:
        """The engine for changes."""
        return self.writing.engine

    @cached_property
    def probes(self) -> AsyncEngine:
        """An engine of one connection for questions about health, which wait behind no request."""
        seconds = self.settings.connect_timeout_seconds
        return make_engine(
            self.settings, application_name=self._application_name, pool_size=1, pool_timeout_seconds=seconds
        )

    @asynccontextmanager
    async def session(self) -> AsyncIterator[WriteSession]:
        """A session that ends with the block and commits nothing by itself.

        Raises:
            UncommittedChangesError: The block ends with changes that were not committed.
        """
        session = WriteSession(self.writing)
        try:
            yield session
            await session.require_committed()
        finally:
            await session.close()

    async def close(self) -> None:
        """Close every connection; those that a server no longer answers on are left to it."""
        with suppress(TimeoutError):
            async with asyncio.timeout(_CLOSE_SECONDS):
                await self.reading.close()
                await self.writing.close()
                if "probes" in self.__dict__:
                    await self.probes.dispose()

    def _connections(self, *, read_only: bool) -> Connections:
        settings = self.settings
        engine = make_engine(
            settings,
            application_name=self._application_name,
            pool_size=settings.pool_size,
            max_overflow=settings.max_overflow,
            pool_timeout_seconds=settings.pool_timeout_seconds,
            read_only=read_only,
        )
        places = settings.pool_size + settings.max_overflow
        return Connections(
            engine,
            places=places,
            wait_seconds=settings.pool_timeout_seconds,
            slow_seconds=settings.slow_statement_seconds,
            keep_seconds=_KEEP_SECONDS if read_only and not settings.pool_pre_ping else 0,
        )


def get_database() -> Database:
    """Return the process's database.

    Raises:
        ConfigurationError: There is none yet, or no longer.
    """
    return get_object(Database)


async def get_db_session() -> AsyncIterator[WriteSession]:
    """FastAPI dependency: a session for changes, which the route commits in blocks of `atomic()`."""
    async with get_database().session() as session:
        yield session


async def get_read_session() -> ReadSession:
    """FastAPI dependency: the session of a request that only reads. Each dependency that yields would cost 20 µs."""
    return get_database().reader


@asynccontextmanager
async def get_async_session() -> AsyncIterator[WriteSession]:
    """A session for scripts and jobs; wrap its changes in `atomic()`: those that are not committed are an error."""
    async with get_database().session() as session:
        yield session
