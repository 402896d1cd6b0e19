"""The process's database, and the sessions that requests, commands and handlers of events borrow from it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from functools import cached_property
from typing import Final, NewType

from sqlalchemy import event, text
from sqlalchemy.engine import ExceptionContext
from sqlalchemy.exc import PendingRollbackError
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, async_sessionmaker

from app.core.config import DatabaseSettings
from app.core.database.engine import make_engine
from app.core.exceptions import (
    ConfigurationError,
    DatabaseConnectionError,
    DatabaseQueryError,
    UncommittedChangesError,
)
from app.core.process import get_object

# A function's signature tells what it does with its session: one that takes a ReadSession can be given either, one that
# takes a WriteSession cannot be given a session that refuses changes.
ReadSession = NewType("ReadSession", AsyncSession)
WriteSession = NewType("WriteSession", ReadSession)

# SQLSTATE disk_full (PostgreSQL documentation, appendix A).
_DISK_FULL: Final = "53100"
# The longest that closing connections takes when a process stops.
_CLOSE_SECONDS: Final = 2.0
# Only the server knows what textual statements, functions and COPY have changed. A row lock takes a transaction id,
# too, but no lock on a table that is stronger than those of readers (PostgreSQL documentation, 13.3.1); and a savepoint
# that was rolled back has given its locks back.
_HAS_CHANGED: Final = text(
    "SELECT pg_current_xact_id_if_assigned() IS NOT NULL AND EXISTS (SELECT FROM pg_locks WHERE pid = pg_backend_pid() "
    "AND locktype = 'relation' AND mode NOT IN ('AccessShareLock', 'RowShareLock'))"
)


class Database:
    """An engine, its sessions, and the queue in front of its pool.

    SQLAlchemy's pool hands a free connection to the next that asks, not to the one that has waited longest, which
    starves some requests under load. A semaphore of the pool's size in front of it is first come, first served.

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
        self.engine: AsyncEngine = make_engine(
            settings,
            application_name=application_name,
            pool_size=settings.pool_size,
            max_overflow=settings.max_overflow,
            pool_timeout_seconds=settings.pool_timeout_seconds,
        )
        # Set by a statement for which the server found no room, until a probe has seen that it finds some again.
        self.disk_full = False
        event.listen(self.engine.sync_engine, "handle_error", self._note_full_disk)
        # A closed session raises where it is used again, in a streamed body for example: it would take a connection
        # that only the garbage collector gives back.
        self.sessions = async_sessionmaker(self.engine, expire_on_commit=False, close_resets_only=False)
        # The server itself refuses a change in these; it is told so in the statement that begins the transaction.
        self.read_sessions = async_sessionmaker(
            self.engine.execution_options(postgresql_readonly=True), expire_on_commit=False, close_resets_only=False
        )
        self.extensions: dict[str, bool] = {}
        self._places = asyncio.Semaphore(settings.pool_size + settings.max_overflow)

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
            DatabaseConnectionError: No connection became free within the pool's timeout.
            UncommittedChangesError: The block ends with changes that were not committed.
        """
        async with self._borrow(self.sessions) as session:
            yield WriteSession(session)
            await _require_committed(session)

    @asynccontextmanager
    async def read_session(self) -> AsyncIterator[ReadSession]:
        """A session whose changes the server refuses.

        Raises:
            DatabaseConnectionError: No connection became free within the pool's timeout.
        """
        async with self._borrow(self.read_sessions) as session:
            yield session

    async def close(self) -> None:
        """Close every connection; those that a server no longer answers on are left to it."""
        engines = [self.engine, *([self.probes] if "probes" in self.__dict__ else [])]
        with suppress(TimeoutError):
            async with asyncio.timeout(_CLOSE_SECONDS):
                for engine in engines:
                    await engine.dispose()

    @asynccontextmanager
    async def _borrow(self, sessions: async_sessionmaker[AsyncSession]) -> AsyncIterator[ReadSession]:
        session = sessions()
        try:
            # A timer is armed only for those who wait: it costs more than the semaphore.
            async with asyncio.timeout(self.settings.pool_timeout_seconds if self._places.locked() else None):
                await self._places.acquire()
        except TimeoutError:
            raise DatabaseConnectionError("The database is busy: no connection became free in time.") from None
        try:
            yield ReadSession(session)
        finally:
            try:
                if session.in_transaction():
                    # As `async with` ends it: in a task of its own, so that the connection is given back even if this
                    # one is cancelled meanwhile.
                    await session.__aexit__(None, None, None)
                else:
                    # Committed, rolled back or never used: there is no connection to give back.
                    session.sync_session.close()
            finally:
                self._places.release()

    def _note_full_disk(self, context: ExceptionContext) -> None:
        if getattr(getattr(context.sqlalchemy_exception, "orig", None), "sqlstate", None) == _DISK_FULL:
            self.disk_full = True


async def _require_committed(session: AsyncSession) -> None:
    """Return if the session has nothing left to commit. The server is asked inside an open transaction only.

    Raises:
        UncommittedChangesError: It has; or a failure was swallowed that took with it what was changed before.
    """
    if not session.in_transaction():
        return
    pending = session.new or session.deleted or any(session.is_modified(each) for each in session.dirty)
    try:
        changed = pending or await session.scalar(_HAS_CHANGED)
    except (DatabaseQueryError, PendingRollbackError) as err:
        raise UncommittedChangesError from err
    if changed:
        raise UncommittedChangesError


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


async def get_read_session() -> AsyncIterator[ReadSession]:
    """FastAPI dependency: the session of a request that only reads."""
    async with get_database().read_session() as session:
        yield session


@asynccontextmanager
async def get_async_session() -> AsyncIterator[WriteSession]:
    """A session for scripts and jobs; wrap its changes in `atomic()`: those that are not committed are an error."""
    async with get_database().session() as session:
        yield session
