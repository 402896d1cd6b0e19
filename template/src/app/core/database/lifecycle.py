"""The process's engine, and the sessions that requests and scripts borrow from it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from functools import cached_property
from typing import NewType

from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, async_sessionmaker

from app.core.config import DatabaseSettings
from app.core.config.database import CLOSE_SECONDS, Pooler
from app.core.database.engine import create_engine, create_unlimited_engine, make_session_settings, watch_disk
from app.core.database.uncommitted import require_committed
from app.core.exceptions import ConfigurationError, DatabaseConnectionError
from app.core.process import get_object

# A function's signature tells what it does with its session: one that takes a ReadSession can be given either, one that
# takes a WriteSession cannot be given a session that refuses changes.
ReadSession = NewType("ReadSession", AsyncSession)
WriteSession = NewType("WriteSession", ReadSession)


class Database:
    """An engine, its sessions, and the queue in front of its pool.

    SQLAlchemy's pool hands a free connection to whoever asks next, not to whoever has waited longest, which starves
    some requests under load. A semaphore of the pool's size in front of it is first come, first served.
    """

    def __init__(self, settings: DatabaseSettings, *, application_name: str = "app") -> None:
        """Make the engine. Nothing is connected: a server that is still starting delays no start of ours.

        Args:
            settings: The place of the database, and its limits.
            application_name: The name of this process in `pg_stat_activity`.

        Raises:
            ConfigurationError: No database is configured.
        """
        if not settings.is_configured:
            raise ConfigurationError(
                "No database is configured.",
                next_step="Set DATABASE_URL or POSTGRES_HOST, or start with `app dev`, which brings its own.",
            )
        self._settings = settings
        self._application_name = application_name
        self.session_settings = make_session_settings(
            statement_timeout_seconds=settings.statement_timeout_seconds,
            lock_timeout_seconds=settings.lock_timeout_seconds,
            idle_in_transaction_timeout_seconds=settings.idle_in_transaction_timeout_seconds,
        )
        self.engine: AsyncEngine = self._engine(
            settings.pool_size, settings.max_overflow, pool_timeout_seconds=settings.pool_timeout_seconds
        )
        # Set by a statement for which the server found no room, until a probe has seen that it finds some again.
        self.disk_full = False
        watch_disk(self.engine, self._note_full_disk)
        self.ssl_mode = settings.effective_ssl_mode
        # A closed session raises where it is used again, in a streamed body for example: it would take a connection
        # that only the garbage collector gives back.
        self.sessions = async_sessionmaker(self.engine, expire_on_commit=False, close_resets_only=False)
        # The server itself refuses a change in these; it is told so in the statement that begins the transaction.
        self.read_sessions = async_sessionmaker(
            self.engine.execution_options(postgresql_readonly=True), expire_on_commit=False, close_resets_only=False
        )
        self.extensions: dict[str, bool] = {}
        self._places = asyncio.Semaphore(settings.pool_size + settings.max_overflow)
        self._wait_seconds = settings.pool_timeout_seconds

    @cached_property
    def probes(self) -> AsyncEngine:
        """An engine of one connection for questions about health, which wait behind no request."""
        return self._engine(1, 0, pool_timeout_seconds=self._settings.connect_timeout_seconds)

    @asynccontextmanager
    async def session(self) -> AsyncIterator[WriteSession]:
        """A session that ends with the block and commits nothing by itself.

        Raises:
            DatabaseConnectionError: No connection became free within the pool's timeout.
            UncommittedChangesError: The block ends with changes that were not committed.
        """
        session = self.sessions()
        await self._take_place()
        try:
            yield WriteSession(ReadSession(session))
            await require_committed(session)
        finally:
            await self._close(session)

    @asynccontextmanager
    async def read_session(self) -> AsyncIterator[ReadSession]:
        """A session whose changes the server refuses.

        Raises:
            DatabaseConnectionError: No connection became free within the pool's timeout.
        """
        session = self.read_sessions()
        await self._take_place()
        try:
            yield ReadSession(session)
        finally:
            await self._close(session)

    async def _take_place(self) -> None:
        if self._places.locked():
            try:
                # A timer is armed only for those who wait: it costs more than the semaphore.
                async with asyncio.timeout(self._wait_seconds):
                    await self._places.acquire()
            except TimeoutError:
                raise DatabaseConnectionError("The database is busy: no connection became free in time.") from None
        else:
            await self._places.acquire()

    async def _close(self, session: AsyncSession) -> None:
        try:
            if session.in_transaction():
                # As `async with` ends it: in a task of its own, so that the connection is given back even if this one
                # is cancelled meanwhile.
                await session.__aexit__(None, None, None)
            else:
                # Committed, rolled back or never used: there is no connection to give back and nothing to wait for.
                session.sync_session.close()
        finally:
            self._places.release()

    async def close(self) -> None:
        """Close every connection; those that a server no longer answers on are left to it."""
        engines = [self.engine, *([self.probes] if "probes" in self.__dict__ else [])]
        with suppress(TimeoutError):
            async with asyncio.timeout(CLOSE_SECONDS):
                for engine in engines:
                    await engine.dispose()

    def _engine(self, pool_size: int, max_overflow: int, *, pool_timeout_seconds: float) -> AsyncEngine:
        settings = self._settings
        return create_engine(
            settings.sqlalchemy_url,
            application_name=self._application_name,
            ssl_mode=settings.effective_ssl_mode,
            ssl_root_cert=settings.ssl_root_cert,
            pool_size=pool_size,
            max_overflow=max_overflow,
            pool_timeout_seconds=pool_timeout_seconds,
            pool_recycle_seconds=settings.pool_recycle_seconds,
            pool_pre_ping=settings.pool_pre_ping,
            connect_timeout_seconds=settings.connect_timeout_seconds,
            statement_timeout_seconds=settings.statement_timeout_seconds,
            session_settings=self.session_settings,
            transaction_pooler=settings.pooler is Pooler.TRANSACTION,
        )

    def _note_full_disk(self) -> None:
        self.disk_full = True


def migration_engine(settings: DatabaseSettings, *, reading: bool = False) -> AsyncEngine:
    """Return an engine for migrations, which may take as long as building an index takes.

    Args:
        settings: Where the database is; `MIGRATION_DATABASE_URL` goes first.
        reading: Whether nothing but the state is asked for, which a pooler can answer, too.

    Raises:
        ConfigurationError: There is only a pooler, which has no session for the locks that migrations hold.
    """
    pooled = settings.pooler is Pooler.TRANSACTION and settings.migration_url is None
    if pooled and not reading:
        raise ConfigurationError(
            "Migrations need a session of their own, which a pooler in transaction mode does not give.",
            next_step="Set MIGRATION_DATABASE_URL to the database server itself, past the pooler.",
        )
    return create_unlimited_engine(
        settings.migration_sqlalchemy_url,
        transaction_pooler=pooled,
        ssl_mode=settings.migration_ssl_mode,
        ssl_root_cert=settings.ssl_root_cert,
        connect_timeout_seconds=settings.connect_timeout_seconds,
    )


def get_database() -> Database:
    """Return the process's engine.

    Raises:
        ConfigurationError: There is none yet, or no longer.
    """
    return get_object(Database)


@asynccontextmanager
async def get_async_session() -> AsyncIterator[WriteSession]:
    """A session for scripts and jobs; wrap its changes in `atomic()`: those that are not committed are an error."""
    async with get_database().session() as session:
        yield session


async def get_db_session() -> AsyncIterator[WriteSession]:
    """FastAPI dependency: a session for changes, which the route commits in blocks of `atomic()`."""
    async with get_database().session() as session:
        yield session


async def get_read_session() -> AsyncIterator[ReadSession]:
    """FastAPI dependency: the session of a request that only reads."""
    async with get_database().read_session() as session:
        yield session
