"""An engine's connections, lent for a statement or a transaction: first come, first served, with the app's errors."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any, Final, TypeVar, cast

from sqlalchemy import event
from sqlalchemy.ext.asyncio import AsyncEngine
from sqlalchemy.pool import PoolProxiedConnection, QueuePool

from app.core.config.database import DatabaseSettings
from app.core.database.engine import log_statement
from app.core.database.errors import DRIVER_ERRORS, error_of, state_of
from app.core.exceptions import DatabaseConnectionError, DatabaseException

T = TypeVar("T")

_KEEP_SECONDS: Final = 1.0
# Only the server knows what texts, functions and COPY have changed. A row lock takes a transaction id, too, but no lock
# on a table stronger than readers' (PostgreSQL documentation, 13.3.1); a savepoint that was rolled back has none left.
_HAS_CHANGED: Final = (
    "SELECT pg_current_xact_id_if_assigned() IS NOT NULL AND EXISTS (SELECT FROM pg_locks WHERE pid = pg_backend_pid() "
    "AND locktype = 'relation' AND mode NOT IN ('AccessShareLock', 'RowShareLock'))"
)


class Connections:
    """The pool of an engine, and the queue in front of it.

    SQLAlchemy's pool hands a free connection to the next that asks, which starves some under load; a semaphore is first
    come, first served. A checkout costs as much as a short statement: the pool sees a connection once a second.
    """

    def __init__(self, engine: AsyncEngine, settings: DatabaseSettings) -> None:
        self.engine = engine
        self.disk_full = False  # set by a statement without room for it, until a probe has found room again
        self.waiting = 0  # for a connection
        self._settings = settings
        self._places = asyncio.Semaphore(settings.pool_size + settings.max_overflow)
        self._kept: list[PoolProxiedConnection] = []
        self._closed = False
        event.listen(engine.sync_engine, "handle_error", lambda context: self._note(context.original_exception))

    async def borrow(self) -> PoolProxiedConnection:
        """Return a connection, to be given back; DatabaseConnectionError if none is free in time or can be opened."""
        if not self._places.locked():
            await self._places.acquire()
        else:
            # A timer is armed only for those who wait: it costs more than the semaphore.
            self.waiting += 1
            try:
                async with asyncio.timeout(self._settings.pool_timeout_seconds):
                    await self._places.acquire()
            except TimeoutError:
                raise DatabaseConnectionError("The database is busy: no connection became free in time.") from None
            finally:
                self.waiting -= 1
        while self._kept:
            kept = self._kept.pop()
            if kept.info["until"] > time.monotonic() and not cast("Any", kept.driver_connection).is_closed():
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
        # To be pinged before each use, it goes through the pool each time.
        connection.info["until"] = time.monotonic() + (0 if self._settings.pool_pre_ping else _KEEP_SECONDS)
        return connection

    async def give_back(self, connection: PoolProxiedConnection, *, broken: bool = False) -> None:
        """Give a connection back; one in an unknown state or a transaction is closed, and any that comes too late."""
        try:
            # Not valid: SQLAlchemy's session has met the end of the connection before.
            if connection.is_valid:
                driver: Any = connection.driver_connection
                if broken or self._closed or driver.is_closed() or driver.is_in_transaction():
                    connection.invalidate()
                else:
                    self._kept.append(connection)
        finally:
            self._places.release()

    async def begin(self) -> PoolProxiedConnection:
        """Return a connection in a transaction, which is to be ended."""
        connection = await self.borrow()
        # By the driver, and before anything else: what ran earlier would be committed at once.
        transaction = connection.info["transaction"] = cast("Any", connection.driver_connection).transaction()
        try:
            await self.run(connection, transaction.start)
        except BaseException:
            await self.give_back(connection, broken=True)
            raise
        return connection

    async def end(self, connection: PoolProxiedConnection, *, commit: bool) -> None:
        """End the transaction, and give the connection back, whatever comes of it."""
        transaction, broken = connection.info.pop("transaction"), True
        try:
            await self.run(connection, transaction.commit if commit else transaction.rollback)
            broken = False
        finally:
            await self.give_back(connection, broken=broken)

    async def run(
        self, connection: PoolProxiedConnection, function: Callable[..., Awaitable[T]], *arguments: object
    ) -> T:
        """Return what a function of the driver returns; DatabaseException in place of the driver's own error."""
        began = time.perf_counter()
        try:
            found = await function(*arguments)
        except DRIVER_ERRORS as err:
            self._note(err)
            driver: Any = connection.driver_connection
            raise error_of(err, disconnected=driver is None or driver.is_closed()) from err
        rows = len(found) if isinstance(found, list) else None
        statement = str(arguments[0]) if arguments else function.__name__
        log_statement(statement, began, rows, self._settings.slow_statement_seconds)
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
        self.disk_full = self.disk_full or state_of(err) == "53100"  # PostgreSQL documentation, appendix A
