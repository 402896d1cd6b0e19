"""Sessions of one test share one connection, whose transaction is rolled back: here they take turns on it.

What is a transaction elsewhere is a savepoint there, and savepoints that overlap undo each other. So the session of a
request waits until the one of a subscriber, a job or another request has ended its own. A session that is opened inside
another's, by a service's own unit of work for example, does not wait for that one: its savepoint nests.

Two transactions of one test that must overlap need databases of their own: take `scratch`.
"""

import asyncio
from contextvars import ContextVar
from typing import Any

from sqlalchemy import Connection, event, text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine
from sqlalchemy.orm import ORMExecuteState, Session, SessionTransaction
from sqlalchemy.sql.elements import TextClause
from sqlalchemy.util.concurrency import await_

from app.core.database import Database

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

    def take(self) -> None:
        """Wait for it, inside a greenlet of SQLAlchemy's."""
        if not self.taken:
            await_(self._wait())

    def wait_for_others(self) -> None:
        """Wait until no turn inside of this one is taken."""
        if self._inside.locked():
            await_(self._acquire(self._inside))
            self._inside.release()

    def end(self) -> None:
        """Let the next one have it."""
        if self._held is not None:
            self._held.release()
            self.taken, self._held = False, None

    async def _wait(self) -> None:
        around = self.above
        while around is not None and not around.taken:
            around = around.above
        assert around is not None
        await self._acquire(around._inside)
        self.taken, self._held = True, around._inside

    async def _acquire(self, lock: asyncio.Lock) -> None:
        try:
            async with asyncio.timeout(_PATIENCE_SECONDS):
                await lock.acquire()
        except TimeoutError:
            raise AssertionError(
                "sessions of this test wait for each other's transactions: let it take `scratch`"
            ) from None


_current: ContextVar[Turn | None] = ContextVar("turn", default=None)


class SessionInTurn(Session):
    """A session that has its turn from its first statement to its commit or rollback."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        assert isinstance(self.bind, Connection)
        root: Turn = self.bind.info["turn"]
        around = _current.get()
        self.turn = Turn(around if around is not None and around.root is root else root)
        _current.set(self.turn)

    def get_bind(self, *args: Any, **kwargs: Any) -> Any:
        self.turn.take()
        return super().get_bind(*args, **kwargs)

    def close(self) -> None:
        super().close()
        self.turn.end()


@event.listens_for(SessionInTurn, "after_begin")
def _note_what_was_changed_before(session: SessionInTurn, transaction: SessionTransaction, found: Connection) -> None:
    if transaction.parent is None:
        session.info["before"] = found.exec_driver_sql(_TRANSACTION_IDS).scalar_one()


@event.listens_for(SessionInTurn, "before_commit")
def _wait_for_those_inside(session: SessionInTurn) -> None:
    session.turn.wait_for_others()


@event.listens_for(SessionInTurn, "after_transaction_end")
def _end_turn(session: SessionInTurn, transaction: SessionTransaction) -> None:
    if transaction.parent is None:
        session.turn.end()


@event.listens_for(SessionInTurn, "do_orm_execute")
def _ask_for_this_session(state: ORMExecuteState) -> Any:
    """Ask whether this session has changed anything: that of the test's transaction as a whole is no answer."""
    if isinstance(state.statement, TextClause) and "pg_current_xact_id_if_assigned" in state.statement.text:
        question = text(f"SELECT ({_TRANSACTION_IDS}) > {state.session.info['before']}")
        return state.invoke_statement(statement=question)
    return None


class ReadSessionInTurn(SessionInTurn):
    """A session that has its turn for each statement, which may fail or be refused for changing something."""

    def get_bind(self, *args: Any, **kwargs: Any) -> Any:
        return Session.get_bind(self, *args, **kwargs)

    def rollback(self) -> None:
        """End the session's transaction, and not the test's."""
        self.commit()


@event.listens_for(ReadSessionInTurn, "do_orm_execute")
def _read_in_turn(state: ORMExecuteState) -> Any:
    session = state.session
    assert isinstance(session, ReadSessionInTurn)
    if session.turn.taken:
        return None
    session.turn.take()
    try:
        connection = session.connection()
        with connection.begin_nested():
            connection.exec_driver_sql("SET TRANSACTION READ ONLY")
            return state.invoke_statement()
    finally:
        session.turn.end()


async def share_connection(database: Database, connection: AsyncConnection) -> None:
    """Have the sessions of a database take turns on this connection, in the transaction that it is in."""
    assert connection.sync_connection is not None
    connection.sync_connection.info["turn"] = Turn()
    database.sessions.configure(
        bind=connection, join_transaction_mode="create_savepoint", sync_session_class=SessionInTurn
    )
    database.read_sessions.configure(
        bind=connection, join_transaction_mode="rollback_only", sync_session_class=ReadSessionInTurn
    )


def bind_sessions(database: Database, engine: AsyncEngine) -> None:
    """Have the sessions of a database use the connections of this engine, as they do outside of tests."""
    reading = engine.execution_options(postgresql_readonly=True)
    for sessions, bind in ((database.sessions, engine), (database.read_sessions, reading)):
        sessions.configure(bind=bind, join_transaction_mode="conditional_savepoint", sync_session_class=Session)
