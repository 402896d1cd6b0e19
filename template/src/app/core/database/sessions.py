"""Sessions run statements and return rows: one to read, on a connection for each; one to change, in a transaction."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from typing import Any, TypeVar, cast

from sqlalchemy import Connection
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.pool import PoolProxiedConnection

from app.core.database.connections import Connections
from app.core.database.errors import StalePlanError
from app.core.database.statements import Statement
from app.core.exceptions import DatabaseException, DatabaseQueryError, UncommittedChangesError

R = TypeVar("R")


class ReadSession:
    """Reads each statement on a connection of its own, whose changes the server refuses, and gives it back at once.

    It has no state: a process has one, for all of its requests. What takes one can be given a `WriteSession` as well.
    """

    def __init__(self, connections: Connections) -> None:
        self._connections = connections

    async def all(self, statement: Statement[R], /, **values: object) -> list[R]:
        """Return all rows of a statement."""
        return statement.rows(await self._run("fetch", statement, values))

    async def one_or_none(self, statement: Statement[R], /, **values: object) -> R | None:
        """Return the row of a statement that has one at most; several are a ValueError."""
        (row,) = statement.rows(await self._run("fetch", statement, values)) or (None,)
        return row

    async def one(self, statement: Statement[R], /, **values: object) -> R:
        """Return the row of a statement that always has one; none or several are a ValueError."""
        (row,) = statement.rows(await self._run("fetch", statement, values))
        return row

    async def _run(self, method: str, statement: Statement[Any], values: Mapping[str, object]) -> Any:  # noqa: ANN401
        arguments = statement.arguments(values)
        connection = await self._connections.borrow()
        try:
            function = getattr(connection.driver_connection, method)
            return await self._connections.run(connection, function, statement.sql, *arguments)
        finally:
            await self._connections.give_back(connection)


class WriteSession(ReadSession):
    """Changes rows, in a transaction that begins with the first statement and ends with its block of `atomic()`."""

    def __init__(self, connections: Connections) -> None:
        super().__init__(connections)
        self._connection: PoolProxiedConnection | None = None
        self._orm: AsyncSession | None = None
        self._ending = asyncio.Lock()
        self._closed = False
        self.unit_of_work: Any = None  # that of the innermost block of `atomic()`

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
            self._connection = await self._connections.begin()
        return self._connection.driver_connection

    async def run(self, function: Callable[..., Awaitable[Any]], *arguments: object) -> Any:  # noqa: ANN401
        """Return what a function of the driver returns, with the application's errors in place of the driver's."""
        return await self._connections.run(cast("PoolProxiedConnection", self._connection), function, *arguments)

    async def orm(self) -> AsyncSession:
        """Return SQLAlchemy's session in this transaction, for entities; it commits to a savepoint of it."""
        await self.driver()
        if self._orm is None:
            self._orm = AsyncSession(expire_on_commit=False, close_resets_only=False)
        if self._orm.sync_session.bind is None:
            self._orm.sync_session.bind = Connection(self._connections.engine.sync_engine, self._connection)
        return self._orm

    async def commit(self) -> None:
        """Commit; what fails in it is to be rolled back, as `atomic()` does."""
        if self._orm is not None:
            await (await self.orm()).commit()
        await self._end(commit=True)

    async def rollback(self) -> None:
        """Take back what was not committed: to the end, even if the task is cancelled meanwhile."""
        if self._connection is not None or self._orm is not None:
            await asyncio.shield(asyncio.ensure_future(self._roll_back()))

    async def require_committed(self) -> None:
        """Raise UncommittedChangesError if something is left to commit, or went with a failure that was swallowed."""
        orm, connection = self._orm, self._connection
        if orm and (orm.new or orm.deleted or any(map(orm.is_modified, orm.dirty)) or not orm.is_active):
            raise UncommittedChangesError
        if connection is not None and await self._connections.has_changed(connection):
            raise UncommittedChangesError

    async def close(self) -> None:
        """Roll back what was not committed, and refuse any further use."""
        self._closed = True
        await self.rollback()

    async def _run(self, method: str, statement: Statement[Any], values: Mapping[str, object]) -> Any:  # noqa: ANN401
        arguments = statement.arguments(values)
        first = self._connection is None
        driver = await self.driver()
        try:
            return await self.run(getattr(driver, method), statement.sql, *arguments)
        except DatabaseQueryError as err:
            if not (first and isinstance(err.__cause__, StalePlanError)):
                raise
        # A migration has changed a column's type. Nothing was done so far, and the driver has forgotten its plans.
        await self.rollback()
        return await self._run(method, statement, values)

    async def _end(self, *, commit: bool = False) -> None:
        connection, self._connection = self._connection, None
        if self._orm is not None:
            self._orm.sync_session.bind = None
        if connection is not None:
            await self._connections.end(connection, commit=commit)

    async def _roll_back(self) -> None:
        async with self._ending:
            with suppress(DatabaseException):
                if self._orm is not None:
                    await (self._orm.close() if self._closed else self._orm.rollback())
            with suppress(DatabaseException):
                await self._end()
