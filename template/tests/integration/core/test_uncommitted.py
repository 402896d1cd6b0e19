"""get_async_session: changes that end uncommitted are an error, in whatever way they were made."""

from collections.abc import Awaitable, Callable
from contextlib import suppress

import pytest
from sqlalchemy import delete, insert, select, text

from app.core.database import Database, Statement, WriteSession, get_async_session
from app.core.exceptions import DatabaseIntegrityError, DatabaseQueryError, UncommittedChangesError
from app.core.uow import atomic
from app.models.domain.user import User

pytestmark = pytest.mark.anyio

Use = Callable[[WriteSession], Awaitable[object]]


async def bob(session: WriteSession) -> User:
    return (await (await session.orm()).scalars(select(User))).one()


@pytest.fixture
async def users(database: Database) -> Database:
    """The module's database with one user, an empty table of words, and a function that fills it."""
    async with database.writing.engine.begin() as connection:
        await connection.execute(delete(User))
        await connection.execute(insert(User).values(email="bob@example.com", password_hash="x", scopes=[]))
        await connection.execute(
            text(
                "CREATE OR REPLACE FUNCTION doodle() RETURNS int LANGUAGE sql "
                "AS $$ INSERT INTO doodles VALUES ('by a function'); SELECT 1 $$"
            )
        )
    return database


def run(statement: str) -> Use:
    prepared = Statement(text(statement))
    return lambda session: session.execute(prepared)


async def add(session: WriteSession) -> None:
    (await session.orm()).add(User(email="ada@example.com", password_hash="x", scopes=[]))


async def change_an_entity_after_the_commit(session: WriteSession) -> None:
    async with atomic(session):
        user = await bob(session)
        user.password_hash = "y"
    user.password_hash = "z"


async def delete_an_entity(session: WriteSession) -> None:
    await (await session.orm()).delete(await bob(session))


async def copy(session: WriteSession) -> None:
    driver = await session.driver()
    await driver.copy_records_to_table("doodles", records=[("a",)])


async def swallow_a_flush_that_fails(session: WriteSession) -> None:
    for _ in "ab":
        await add(session)
    with pytest.raises(DatabaseIntegrityError):
        await (await session.orm()).flush()


async def swallow_a_statement_that_fails(session: WriteSession) -> None:
    await run("INSERT INTO doodles VALUES ('a')")(session)
    with pytest.raises(DatabaseQueryError):
        await run("SELECT 1 / 0")(session)


LOSING: dict[str, Use] = {
    "add": add,
    "entity changed after the commit": change_an_entity_after_the_commit,
    "entity deleted": delete_an_entity,
    "text": run("INSERT INTO doodles VALUES ('a')"),
    "function": run("SELECT doodle()"),
    "COPY": copy,
    "failed flush": swallow_a_flush_that_fails,
    "failed statement": swallow_a_statement_that_fails,
}


@pytest.mark.parametrize("use", LOSING.values(), ids=LOSING.keys())
async def test_session_that_ends_with_uncommitted_changes_is_an_error(use: Use, users: Database) -> None:
    with pytest.raises(UncommittedChangesError, match="atomic"):
        async with get_async_session() as session:
            await use(session)

    async with get_async_session() as session:
        assert (await bob(session)).password_hash in {"x", "y"}
    assert await users.reader.all(Statement(text("SELECT word FROM doodles"), str)) == []
    assert users.writing.usage()[1] == 0


async def commit(session: WriteSession) -> None:
    async with atomic(session):
        await add(session)


async def take_back(session: WriteSession) -> None:
    await add(session)
    await (await session.orm()).flush()
    await session.rollback()


async def take_a_savepoint_back(session: WriteSession) -> None:
    with suppress(RuntimeError):
        async with (await session.orm()).begin_nested():
            await (await session.orm()).execute(text("INSERT INTO doodles VALUES ('a')"))
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
    async with get_async_session() as session:
        await use(session)


async def test_session_that_is_closed_refuses_to_be_used(users: Database) -> None:
    async with get_async_session() as session:
        await bob(session)
    for use in (bob, run("SELECT 1")):
        with pytest.raises(RuntimeError, match="closed"):
            await use(session)


async def test_session_that_ends_with_an_error_has_that_error(users: Database) -> None:
    async def fail() -> None:
        async with get_async_session() as session:
            await add(session)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await fail()
