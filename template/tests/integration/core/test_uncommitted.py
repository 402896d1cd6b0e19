"""Database.session: changes that end uncommitted are an error, in whatever way they were made."""

from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any

import pytest
from sqlalchemy import delete, event, insert, select, text, update

from app.core.database import Database, WriteSession
from app.core.exceptions import DatabaseIntegrityError, DatabaseQueryError, UncommittedChangesError
from app.core.uow import atomic
from app.models.domain.user import User

pytestmark = pytest.mark.anyio

Use = Callable[[WriteSession], Awaitable[object]]


def make_user() -> User:
    return User(email="ada@example.com", password_hash="x", scopes=[])


async def bob(session: WriteSession) -> User:
    return (await session.scalars(select(User))).one()


@pytest.fixture
async def users(database: Database) -> Database:
    """The module's database with one user, an empty table of words, and a function that fills it."""
    async with database.engine.begin() as connection:
        await connection.execute(delete(User))
        await connection.execute(insert(User).values(email="bob@example.com", password_hash="x", scopes=[]))
        await connection.execute(
            text(
                "CREATE OR REPLACE FUNCTION doodle() RETURNS int LANGUAGE sql "
                "AS $$ INSERT INTO doodles VALUES ('by a function'); SELECT 1 $$"
            )
        )
    return database


def run(statement: Any) -> Use:
    async def use(session: WriteSession) -> None:
        await session.execute(text(statement) if isinstance(statement, str) else statement)

    return use


async def add(session: WriteSession) -> None:
    session.add(make_user())


async def add_and_flush(session: WriteSession) -> None:
    session.add(make_user())
    await session.flush()


async def change_an_entity(session: WriteSession) -> None:
    (await bob(session)).password_hash = "y"


async def change_an_entity_after_the_commit(session: WriteSession) -> None:
    async with atomic(session):
        user = await bob(session)
        user.password_hash = "y"
    user.password_hash = "z"


async def delete_an_entity(session: WriteSession) -> None:
    await session.delete(await bob(session))


async def copy(session: WriteSession) -> None:
    await session.execute(text("SELECT 1"))
    driver: Any = (await (await session.connection()).get_raw_connection()).driver_connection
    await driver.copy_records_to_table("doodles", records=[("a",)])


async def swallow_a_flush_that_fails(session: WriteSession) -> None:
    session.add_all([make_user(), make_user()])
    with pytest.raises(DatabaseIntegrityError):
        await session.flush()


async def swallow_a_statement_that_fails(session: WriteSession) -> None:
    await session.execute(text("INSERT INTO doodles VALUES ('a')"))
    with pytest.raises(DatabaseQueryError):
        await session.execute(text("SELECT 1 / 0"))


LOSING: dict[str, Use] = {
    "add": add,
    "flush": add_and_flush,
    "entity changed": change_an_entity,
    "entity changed after the commit": change_an_entity_after_the_commit,
    "entity deleted": delete_an_entity,
    "Core insert": run(insert(User).values(email="c@example.com", password_hash="x", scopes=[])),
    "Core update": run(update(User).values(password_hash="y")),
    "text": run("INSERT INTO doodles VALUES ('a')"),
    "WITH": run("WITH made AS (INSERT INTO doodles VALUES ('a') RETURNING word) SELECT * FROM made"),
    "function": run("SELECT doodle()"),
    "DDL": run("CREATE TABLE extra (n int)"),
    "COPY": copy,
    "failed flush": swallow_a_flush_that_fails,
    "failed statement": swallow_a_statement_that_fails,
}


@pytest.mark.parametrize("use", LOSING.values(), ids=LOSING.keys())
async def test_session_that_ends_with_uncommitted_changes_is_an_error(use: Use, users: Database) -> None:
    with pytest.raises(UncommittedChangesError, match="atomic"):
        async with users.session() as session:
            await use(session)

    async with users.session() as session:
        assert (await bob(session)).password_hash in {"x", "y"}
        assert (await session.execute(text("SELECT * FROM doodles"))).all() == []
    assert users.engine.pool.checkedout() == 0  # type: ignore[attr-defined]


async def commit(session: WriteSession) -> None:
    async with atomic(session):
        session.add(make_user())


async def take_back(session: WriteSession) -> None:
    session.add(make_user())
    await session.flush()
    await session.rollback()


async def take_a_savepoint_back(session: WriteSession) -> None:
    with suppress(RuntimeError):
        async with session.begin_nested():
            await session.execute(text("INSERT INTO doodles VALUES ('a')"))
            raise RuntimeError


async def put_the_same_value(session: WriteSession) -> None:
    (await bob(session)).password_hash = "x"


async def do_nothing(_session: WriteSession) -> None:
    """Take not even a connection."""


KEEPING: dict[str, Use] = {
    "nothing": do_nothing,
    "read": bob,
    "row locks": run("SELECT * FROM users FOR UPDATE"),
    "an update of no row": run("UPDATE doodles SET word = 'b'"),
    "the same value": put_the_same_value,
    "commit": commit,
    "rollback": take_back,
    "savepoint taken back": take_a_savepoint_back,
}


@pytest.mark.parametrize("use", KEEPING.values(), ids=KEEPING.keys())
async def test_session_that_loses_nothing_ends_without_an_error(use: Use, users: Database) -> None:
    async with users.session() as session:
        await use(session)


async def test_session_that_ends_with_an_error_has_that_error(users: Database) -> None:
    async def fail() -> None:
        async with users.session() as session:
            await add_and_flush(session)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await fail()


async def test_session_that_reads_or_has_committed_asks_the_server_nothing(users: Database) -> None:
    statements: list[str] = []

    def note(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        statements.append(statement)

    event.listen(users.engine.sync_engine, "before_cursor_execute", note)
    try:
        async with users.read_session() as reading:
            await reading.execute(text("SELECT 1"))
        async with users.session() as session, atomic(session):
            await session.execute(text("SELECT 2"))
    finally:
        event.remove(users.engine.sync_engine, "before_cursor_execute", note)

    assert statements == ["SELECT 1", "SELECT 2"]
