"""An engine's connections, lent for a statement or a transaction: first come, first served, with the app's errors."""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from typing import Any, Final, TypeVar, cast

from sqlalchemy import event
from sqlalchemy.ext.asyncio import AsyncEngine
from sqlalchemy.pool import PoolProxiedConnection, QueuePool

from app.core.config.database import DatabaseSettings
from app.core.database.errors import DRIVER_ERRORS, error_of, state_of
from app.core.exceptions import DatabaseConnectionError, DatabaseException
from app.core.logging import get_logger, log_db_query

T = TypeVar("T")

logger = get_logger(__name__)

# When a connection that is lent goes back to the pool, by the monotonic clock; and the driver's transaction on it.
_UNTIL: Final = "until"
_TRANSACTION: Final = "transaction"
# SQLSTATE disk_full (PostgreSQL documentation, appendix A).
_DISK_FULL: Final = "53100"
# Only the server knows what textual statements, functions and COPY have changed. A row lock takes a transaction id,
# too, but no lock on a table that is stronger than those of readers (PostgreSQL documentation, 13.3.1); and a savepoint
# that was rolled back has given its locks back.
_HAS_CHANGED: Final = (
    "SELECT pg_current_xact_id_if_assigned() IS NOT NULL AND EXISTS (SELECT FROM pg_locks WHERE pid = pg_backend_pid() "
    "AND locktype = 'relation' AND mode NOT IN ('AccessShareLock', 'RowShareLock'))"
)


class Connections:
    """The pool of an engine, and the queue in front of it.

    SQLAlchemy's pool hands a free connection to the next that asks, not to the one that has waited longest, which
    starves some requests under load. A semaphore of the pool's size in front of it is first come, first served.

    Args:
        engine: The engine, from `make_engine`.
        settings: The size of its pool, the longest wait for a connection, and the time from which a statement is slow.
        keep_seconds: How long a connection is lent again and again before it goes back to the pool, which costs as much
            as a short statement; the pool looks at its age, and pings it where it is told to.
    """

    def __init__(self, engine: AsyncEngine, settings: DatabaseSettings, *, keep_seconds: float = 0) -> None:
        self.engine = engine
        # Set by a statement for which the server found no room, until a probe has seen that it finds some again.
        self.disk_full = False
        # How many wait for a connection.
        self.waiting = 0
        self._places = asyncio.Semaphore(settings.pool_size + settings.max_overflow)
        self._wait_seconds = settings.pool_timeout_seconds
        self._slow_seconds = settings.slow_statement_seconds
        self._keep_seconds = keep_seconds
        self._kept: list[PoolProxiedConnection] = []
        self._closed = False
        # SQLAlchemy's sessions share these connections.
        event.listen(engine.sync_engine, "handle_error", lambda context: self._note(context.original_exception))

    async def borrow(self) -> PoolProxiedConnection:
        """Return a connection, which is to be given back.

        Raises:
            DatabaseConnectionError: None became free in time, or the server cannot be reached.
        """
        if not self._places.locked():
            await self._places.acquire()
        else:
            # A timer is armed only for those who wait: it costs more than the semaphore.
            self.waiting += 1
            try:
                async with asyncio.timeout(self._wait_seconds):
                    await self._places.acquire()
            except TimeoutError:
                raise DatabaseConnectionError("The database is busy: no connection became free in time.") from None
            finally:
                self.waiting -= 1
        while self._kept:
            kept = self._kept.pop()
            if kept.info[_UNTIL] > time.monotonic() and not cast("Any", kept.driver_connection).is_closed():
                return kept
            self._put_away(kept)
        connecting = asyncio.ensure_future(self.engine.raw_connection())
        try:
            connection = await asyncio.shield(connecting)
        except BaseException:
            # Interrupted while it is made, a connection would stay open with nothing left to close it.
            connecting.add_done_callback(self._put_away_late)
            self._places.release()
            raise
        connection.info[_UNTIL] = time.monotonic() + self._keep_seconds
        return connection

    async def give_back(self, connection: PoolProxiedConnection, *, broken: bool = False) -> None:
        """Give a connection back; one in an unknown state or a transaction is closed, and any that comes too late."""
        try:
            # Not valid: SQLAlchemy's session has met the end of the connection before.
            if connection.is_valid:
                driver: Any = connection.driver_connection
                if broken or driver.is_closed() or driver.is_in_transaction():
                    connection.invalidate()
                elif self._keep_seconds and not self._closed:
                    self._kept.append(connection)
                else:
                    self._put_away(connection)
        finally:
            self._places.release()

    async def begin(self) -> PoolProxiedConnection:
        """Return a connection in a transaction, which is to be ended."""
        connection = await self.borrow()
        # By the driver, and before anything else: what ran earlier would be committed at once.
        transaction = connection.info[_TRANSACTION] = cast("Any", connection.driver_connection).transaction()
        try:
            await self.run(connection, transaction.start)
        except BaseException:
            await self.give_back(connection, broken=True)
            raise
        return connection

    async def end(self, connection: PoolProxiedConnection, *, commit: bool) -> None:
        """End the transaction, and give the connection back, whatever comes of it."""
        transaction, broken = connection.info.pop(_TRANSACTION), True
        try:
            await self.run(connection, transaction.commit if commit else transaction.rollback)
            broken = False
        finally:
            await self.give_back(connection, broken=broken)

    async def run(
        self, connection: PoolProxiedConnection, function: Callable[..., Awaitable[T]], *arguments: object
    ) -> T:
        """Return what a function of the driver returns for these arguments.

        Raises:
            DatabaseException: In place of the driver's own error.
        """
        began = time.perf_counter()
        try:
            found = await function(*arguments)
        except DRIVER_ERRORS as err:
            self._note(err)
            driver: Any = connection.driver_connection
            raise error_of(err, disconnected=driver is None or driver.is_closed()) from err
        took = time.perf_counter() - began
        slow = took >= self._slow_seconds
        if slow or logging.getLogger(__name__).isEnabledFor(logging.DEBUG):
            rows = len(found) if isinstance(found, list) else None
            statement = str(arguments[0]) if arguments else function.__name__
            log_db_query(logger, statement, duration_ms=took * 1000, rows=rows, slow=slow)
        return found

    async def has_changed(self, connection: PoolProxiedConnection) -> bool:
        """Return True if the connection's transaction has changed anything so far, or has failed."""
        driver: Any = connection.driver_connection
        try:
            return bool(await self.run(connection, driver.fetchval, _HAS_CHANGED))
        except DatabaseException:
            return True

    def usage(self) -> tuple[int, int, int, int, int]:
        """Return the pool's size, its connections in use, idle and beyond its size, and how many wait for one."""
        pool, kept = cast("QueuePool", self.engine.pool), len(self._kept)
        return pool.size(), pool.checkedout() - kept, pool.checkedin() + kept, max(0, pool.overflow()), self.waiting

    async def close(self) -> None:
        """Close the connections; one that is still lent is closed when it comes back."""
        while self._kept:
            self._put_away(self._kept.pop())
        self._closed = True
        await self.engine.dispose()

    def _put_away(self, connection: PoolProxiedConnection) -> None:
        """Give a connection to the pool, or close it where that is full or gone: the pool could not close it here."""
        pool = cast("QueuePool", self.engine.pool)
        if self._closed or pool.checkedin() >= pool.size():
            connection.invalidate()
        else:
            connection.close()

    def _put_away_late(self, connecting: "asyncio.Future[PoolProxiedConnection]") -> None:
        if not connecting.cancelled() and connecting.exception() is None:
            self._put_away(connecting.result())

    def _note(self, err: BaseException) -> None:
        self.disk_full = self.disk_full or state_of(err) == _DISK_FULL
