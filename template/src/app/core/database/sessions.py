"""Sessions run statements and return rows: one to read, on a connection for each; one to change, in a transaction."""

import asyncio
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from functools import partial
from typing import Any, TypeVar, cast

from sqlalchemy import Connection
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.pool import PoolProxiedConnection

from app.core.database.connections import FAILED, Connections
from app.core.database.errors import StalePlanError
from app.core.database.statements import Record, Statement
from app.core.exceptions import DatabaseException, DatabaseQueryError, UncommittedChangesError

R = TypeVar("R")
T = TypeVar("T")


class ReadSession(ABC):
    """Reads rows. A function that takes one can be given either kind of session."""

    @abstractmethod
    async def _fetch(self, statement: Statement[Any], values: Mapping[str, object]) -> Sequence[Record]: ...

    async def all(self, statement: Statement[R], /, **values: object) -> list[R]:
        """Return all rows of a statement.

        Raises:
            DatabaseException: It failed. So it is with each of these functions.
        """
        return statement.rows(await self._fetch(statement, values))

    async def one_or_none(self, statement: Statement[R], /, **values: object) -> R | None:
        """Return the row of a statement that has one at most; several are a ValueError."""
        (row,) = statement.rows(await self._fetch(statement, values)) or (None,)
        return row

    async def one(self, statement: Statement[R], /, **values: object) -> R:
        """Return the row of a statement that always has one; none or several are a ValueError."""
        (row,) = statement.rows(await self._fetch(statement, values))
        return row


class Reader(ReadSession):
    """Reads each statement on a connection of its own, whose changes the server refuses, and gives it back at once.

    It has no state: a process has one, for all of its requests.

    Args:
        connections: Those of a read-only engine.
        begins: Read in a transaction, to which a pooler limits what is set.
    """

    def __init__(self, connections: Connections, *, begins: bool) -> None:
        self._connections = connections
        self._begins = begins

    async def _fetch(self, statement: Statement[Any], values: Mapping[str, object]) -> Sequence[Record]:
        arguments = statement.arguments(values)
        connection = await self._connections.borrow()
        broken = self._begins
        try:
            driver: Any = connection.driver_connection
            fetch = partial(self._fetch_in_transaction, driver) if broken else driver.fetch
            records: Sequence[Record] = await self._connections.run(connection, fetch, statement.sql, *arguments)
            broken = False
        finally:
            await self._connections.give_back(connection, broken=broken)
        return records

    @staticmethod
    async def _fetch_in_transaction(driver: Any, sql: str, *arguments: object) -> Sequence[Record]:  # noqa: ANN401
        async with driver.transaction(readonly=True):
            records: Sequence[Record] = await driver.fetch(sql, *arguments)
        return records


class WriteSession(ReadSession):
    """Changes rows, in a transaction that begins with the first statement and ends with its block of `atomic()`."""

    def __init__(self, connections: Connections) -> None:
        self._connections = connections
        self._connection: PoolProxiedConnection | None = None
        self._transaction: Any = None
        # True until the transaction has run a statement.
        self._fresh = True
        self._closed = False
        self._ending: asyncio.Lock | None = None
        self._orm: AsyncSession | None = None
        # That of the innermost block of `atomic()`.
        self.unit_of_work: Any = None

    async def execute(self, statement: Statement[Any], /, **values: object) -> int:
        """Run a statement, and return the number of rows that it has changed."""
        status: str = await self._run("execute", statement, values)
        count = status.rpartition(" ")[2]
        return int(count) if count.isdigit() else 0

    async def driver(self) -> Any:  # noqa: ANN401 — the driver has no types
        """Return the driver's connection in this transaction, for what it can do beyond statements; see `run`."""
        if self._closed:
            raise RuntimeError("This session is closed: open one where it is used, in a streamed body for example.")
        if self._connection is None:
            connection = await self._connections.borrow()
            try:
                await self._begin(connection)
            except BaseException:
                await self._connections.give_back(connection, broken=True)
                raise
            self._connection = connection
        return self._connection.driver_connection

    async def run(self, function: Callable[..., Awaitable[T]], *arguments: object) -> T:
        """Return what a function of the driver returns, with the application's errors in place of the driver's."""
        self._fresh = False
        return await self._connections.run(cast("PoolProxiedConnection", self._connection), function, *arguments)

    async def orm(self) -> AsyncSession:
        """Return SQLAlchemy's session in this transaction, for entities. Nothing that it commits is, before `atomic()`.

        Its own transaction is a savepoint: the driver has begun before it.
        """
        await self.driver()
        self._fresh = False
        if self._orm is None:
            self._orm = AsyncSession(expire_on_commit=False, close_resets_only=False)
        if self._orm.sync_session.bind is None:
            self._orm.sync_session.bind = Connection(self._connections.engine.sync_engine, self._connection)
        return self._orm

    async def flush(self) -> None:
        """Send the changes of entities that are still pending."""
        if self._orm is not None:
            await (await self.orm()).flush()

    @asynccontextmanager
    async def savepoint(self) -> AsyncIterator[None]:
        """Take back what was changed in the block, and only that, if it raises."""
        # By SQLAlchemy's session, which restores its entities, too. It begins with the first use of the connection.
        orm = await self.orm()
        async with orm.begin_nested():
            await orm.connection()
            yield

    async def commit(self) -> None:
        """Commit, or else roll back."""
        try:
            if self._orm is not None:
                await (await self.orm()).commit()
            if self._connection is None:
                return
            if FAILED in self._connection.info:
                # PostgreSQL answers COMMIT in a failed transaction with a silent ROLLBACK. Only the server knows if a
                # savepoint has healed it; it is asked after a failure, not else.
                await self.run((await self.driver()).fetchval, "SELECT 1")
            await self._end(self._transaction.commit)
        except BaseException:
            await self.rollback()
            raise

    async def rollback(self) -> None:
        """Take back what was not committed: to the end, even if the task is cancelled meanwhile."""
        await asyncio.shield(asyncio.ensure_future(self._roll_back()))

    async def require_committed(self) -> None:
        """Return if nothing is left to commit. The server is asked inside an open transaction only.

        Raises:
            UncommittedChangesError: There is; or a failure was swallowed that took with it what was changed before.
        """
        orm = self._orm
        if orm and (orm.new or orm.deleted or any(map(orm.is_modified, orm.dirty)) or not orm.is_active):
            raise UncommittedChangesError
        if self._connection is not None:
            try:
                changed = await self._connections.has_changed(self._connection)
            except DatabaseException as err:
                raise UncommittedChangesError from err
            if changed:
                raise UncommittedChangesError

    async def close(self) -> None:
        """Roll back what was not committed, and refuse any further use."""
        self._closed = True
        if self._connection is not None or self._orm is not None:
            await asyncio.shield(asyncio.ensure_future(self._roll_back(close=True)))

    async def _fetch(self, statement: Statement[Any], values: Mapping[str, object]) -> Sequence[Record]:
        records: Sequence[Record] = await self._run("fetch", statement, values)
        return records

    async def _run(self, method: str, statement: Statement[Any], values: Mapping[str, object]) -> Any:  # noqa: ANN401
        arguments = statement.arguments(values)
        driver = await self.driver()
        fresh, self._fresh = self._fresh, False
        try:
            return await self.run(getattr(driver, method), statement.sql, *arguments)
        except DatabaseQueryError as err:
            if not (fresh and isinstance(err.__cause__, StalePlanError)):
                raise
        # A migration has changed a column's type. Nothing was done so far, and the driver has forgotten its plans.
        await self.run(self._transaction.rollback)
        await self._begin(cast("PoolProxiedConnection", self._connection))
        return await self.run(getattr(driver, method), statement.sql, *arguments)

    async def _end(self, function: Callable[[], Awaitable[object]]) -> None:
        """Run the last action of the transaction, and give the connection back, whatever comes of it."""
        connection, broken = cast("PoolProxiedConnection", self._connection), True
        try:
            await self._connections.run(connection, function)
            broken = False
        finally:
            self._connection = None
            if self._orm is not None:
                self._orm.sync_session.bind = None
            await self._connections.give_back(connection, broken=broken)

    async def _roll_back(self, *, close: bool = False) -> None:
        self._ending = self._ending or asyncio.Lock()
        async with self._ending:
            with suppress(DatabaseException):
                if self._orm is not None:
                    await self._orm.rollback()
            if self._connection is not None:
                with suppress(DatabaseException):
                    await self._end(self._transaction.rollback)
            if close and self._orm is not None:
                await self._orm.close()

    async def _begin(self, connection: PoolProxiedConnection) -> None:
        # By the driver, and before anything else: what ran earlier would be committed at once.
        driver: Any = connection.driver_connection
        self._transaction = driver.transaction()
        await self._connections.run(connection, self._transaction.start)
        connection.info.pop(FAILED, None)
        self._fresh = True
