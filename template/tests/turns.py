"""Sessions of one test share one connection, whose transaction is rolled back: here they take turns on it.

What is a transaction elsewhere is a savepoint there, and savepoints that overlap undo each other. So the session of a
request waits until the one of a subscriber, a job or another request has ended its own. A session that is opened inside
another's, by a service's own unit of work for example, does not wait for that one: its savepoint nests.

Two transactions of one test that must overlap need databases of their own: take `scratch`.
"""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from contextvars import ContextVar
from typing import Any

from sqlalchemy import event
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.pool import PoolProxiedConnection

from app.core.database import Database, ReadSession
from app.core.database.connections import Connections

# How long a turn may be in coming: longer than any test takes, unless sessions wait for each other.
_PATIENCE_SECONDS = 30
_TRANSACTION_IDS = "SELECT count(*) FROM pg_locks WHERE pid = pg_backend_pid() AND locktype = 'transactionid'"


class Turn:
    """A place on the connection; those that are taken inside of it take turns, too.

    Args:
        above: The turn in whose context it was made; None for the test's own transaction.
    """

    def __init__(self, above: "Turn | None" = None) -> None:
        self.above = above
        self.root: Turn = above.root if above else self
        self.taken = above is None
        self._inside = asyncio.Lock()
        self._held: asyncio.Lock | None = None

    async def take(self) -> None:
        """Wait for it."""
        around = self.above
        while around is not None and not around.taken:
            around = around.above
        assert around is not None
        try:
            async with asyncio.timeout(_PATIENCE_SECONDS):
                await around._inside.acquire()
        except TimeoutError:
            raise AssertionError(
                "sessions of this test wait for each other's transactions: let it take `scratch`"
            ) from None
        self.taken, self._held = True, around._inside

    def end(self) -> None:
        """Let the next one have it."""
        if self._held is not None:
            self._held.release()
            self.taken, self._held = False, None


_current: ContextVar[Turn | None] = ContextVar("turn", default=None)


class ConnectionsInTurn(Connections):
    """The shared connection, lent to one session after the other."""

    def __init__(self, shared: Database, root: Turn) -> None:
        super().__init__(shared.writing.engine, shared.settings)
        self._root = root

    async def borrow(self) -> PoolProxiedConnection:
        around = _current.get()
        turn = Turn(around if around is not None and around.root is self._root else self._root)
        await turn.take()
        try:
            connection = await super().borrow()
            connection.info["turn"] = turn
            await self._begin(connection)
        except BaseException:
            turn.end()
            raise
        return connection

    async def _begin(self, connection: PoolProxiedConnection) -> None:
        _current.set(connection.info["turn"])
        driver: Any = connection.driver_connection
        connection.info["before"] = await driver.fetchval(_TRANSACTION_IDS)

    async def give_back(self, connection: PoolProxiedConnection, *, broken: bool = False) -> None:
        # Broken is what must not be used again; this connection cannot be replaced in the midst of a test.
        del broken
        turn: Turn = connection.info.pop("turn")
        connection.close()
        self._places.release()
        turn.end()

    async def has_changed(self, connection: PoolProxiedConnection) -> bool:
        """Return True if this session has changed anything: of the test's transaction as a whole, the server knows."""
        driver: Any = connection.driver_connection
        return bool(await self.run(connection, driver.fetchval, _TRANSACTION_IDS) > connection.info["before"])


class ReadingInTurn(ConnectionsInTurn):
    """The shared connection, lent for a statement that may fail or be refused for changing something."""

    async def _begin(self, connection: PoolProxiedConnection) -> None:
        driver: Any = connection.driver_connection
        connection.info["savepoint"] = driver.transaction()
        await connection.info["savepoint"].start()
        await driver.execute("SET TRANSACTION READ ONLY")

    async def give_back(self, connection: PoolProxiedConnection, *, broken: bool = False) -> None:
        await connection.info.pop("savepoint").rollback()
        await super().give_back(connection, broken=broken)


class SharedConnection:
    """One connection to a database, which any number of sessions use as if each had its own.

    Args:
        source: The database.
    """

    def __init__(self, source: Database) -> None:
        self._source = source
        self._own: PoolProxiedConnection | None = None
        # SQLAlchemy's sessions want a connection each: these are the same one below.
        self._shared = Database(source.settings.model_copy(update={"pool_size": 100, "slow_statement_seconds": 60}))
        event.listen(self._shared.writing.engine.sync_engine, "do_connect", self._connect_to_own)

    @asynccontextmanager
    async def transaction(self, database: Database) -> AsyncIterator[AsyncConnection]:
        """Have a database's sessions use the connection, in a transaction that is rolled back with what they did."""
        if self._own is None:
            self._own = await self._source.writing.engine.raw_connection()
        driver: Any = self._own.driver_connection
        outer = driver.transaction()
        await outer.start()
        root = Turn()
        writing, reading = ConnectionsInTurn(self._shared, root), ReadingInTurn(self._shared, root)
        try:
            with using(database, writing, reading):
                async with self._shared.writing.engine.connect() as joined:
                    yield joined
        finally:
            await outer.rollback()

    async def close(self) -> None:
        """Give the connection back to its database."""
        if self._own is not None:
            self._own.close()

    def _connect_to_own(self, _dialect: Any, _entry: Any, _arguments: Any, options: dict[str, Any]) -> None:
        async def own(*_: object, **__: object) -> Any:
            assert self._own is not None
            return self._own.driver_connection

        options["async_creator_fn"] = own


@contextmanager
def using(database: Database, writing: Connections, reading: Connections) -> Iterator[None]:
    """Have a database's sessions use other connections."""
    usual = database.writing, database.reading, database.reader
    database.writing, database.reading, database.reader = writing, reading, ReadSession(reading)
    try:
        yield
    finally:
        database.writing, database.reading, database.reader = usual
