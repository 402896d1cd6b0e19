"""copy_rows: a part of the session's transaction, and its errors the application's own."""

import contextlib

import pytest
from sqlalchemy import Column, MetaData, Table, Text, text

from app.core.database import Database, WriteSession, get_async_session
from app.core.exceptions import (
    DatabaseConnectionError,
    DatabaseIntegrityError,
    DatabaseQueryError,
    DatabaseTimeoutError,
)
from app.core.timescale import copy_rows
from app.core.uow import atomic

pytestmark = pytest.mark.anyio

DOODLES = Table("doodles", MetaData(), Column("word", Text))


async def words(session: WriteSession) -> list[str]:
    return list((await (await session.orm()).scalars(text("SELECT word FROM doodles ORDER BY word"))).all())


async def test_copy_rows_belongs_to_the_transaction(database: Database, session: WriteSession) -> None:
    await copy_rows(session, DOODLES, ["word"], [("a",)])
    await session.rollback()
    async with atomic(session):
        await copy_rows(session, DOODLES, ["word"], ((word,) for word in "bc"))

    async with get_async_session() as other:
        assert await words(other) == ["b", "c"]


async def copy_in_savepoint(session: WriteSession, *rows: str) -> None:
    async with atomic(session):
        await copy_rows(session, DOODLES, ["word"], [(row,) for row in rows])


async def test_copy_rows_that_fails_heals_with_its_savepoint(session: WriteSession) -> None:
    async with atomic(session):
        await copy_rows(session, DOODLES, ["word"], [("a",)])
        with pytest.raises(DatabaseIntegrityError):
            await copy_in_savepoint(session, "b", "a")

    assert await words(session) == ["a"]


async def copy_twice_and_swallow(session: WriteSession) -> None:
    async with atomic(session):
        await copy_rows(session, DOODLES, ["word"], [("a",)])
        with contextlib.suppress(DatabaseIntegrityError):
            await copy_rows(session, DOODLES, ["word"], [("a",)])


async def test_copy_rows_whose_failure_is_swallowed_does_not_commit_in_silence(session: WriteSession) -> None:
    with pytest.raises(DatabaseQueryError):
        await copy_twice_and_swallow(session)

    assert await words(session) == []


async def test_copy_rows_keeps_the_server_s_limits(database: Database, session: WriteSession) -> None:
    await (await session.orm()).execute(text("SET LOCAL lock_timeout = '50ms'"))
    async with get_async_session() as other:
        await (await other.orm()).execute(text("LOCK TABLE doodles"))
        with pytest.raises(DatabaseTimeoutError):
            await copy_rows(session, DOODLES, ["word"], [("a",)])
        await other.rollback()


async def test_copy_rows_on_a_connection_that_breaks_is_an_error(database: Database, session: WriteSession) -> None:
    pid = await (await session.orm()).scalar(text("SELECT pg_backend_pid()"))
    async with get_async_session() as other:
        await (await other.orm()).execute(text("SELECT pg_terminate_backend(:pid, 5000)"), {"pid": pid})
    with pytest.raises(DatabaseConnectionError):
        await copy_rows(session, DOODLES, ["word"], [("a",)])
