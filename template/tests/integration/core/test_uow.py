"""atomic(): its commit and rollback, and those of blocks inside of it."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress

import pytest
from sqlalchemy import delete, text

from app.core.database import Database, Statement, WriteSession
from app.core.exceptions import DatabaseIntegrityError
from app.core.uow import atomic
from app.models.domain.user import User

pytestmark = pytest.mark.anyio


Write = Callable[[WriteSession, str], Awaitable[None]]


class Failure(Exception):
    """An error inside a block."""


INSERT = "INSERT INTO doodles VALUES (:word)"
_INSERT = Statement(text(INSERT))


async def write(session: WriteSession, word: str) -> None:
    await session.execute(_INSERT, word=word)


async def write_by_orm(session: WriteSession, word: str) -> None:
    await (await session.orm()).execute(text(INSERT), {"word": word})


EACH_WAY = pytest.mark.parametrize("write", [write, write_by_orm])


async def words(database: Database) -> list[str]:
    """The words that other connections can see."""
    async with database.engine.connect() as connection:
        return list(await connection.scalars(text("SELECT word FROM doodles ORDER BY word")))


async def test_atomic_commits_when_the_block_ends(database: Database, session: WriteSession) -> None:
    async with atomic(session) as uow:
        assert uow.session is session
        await write(session, "a")
        await write(session, "b")
        assert await words(database) == []

    assert await words(database) == ["a", "b"]


@EACH_WAY
@pytest.mark.parametrize("error", [Failure, KeyboardInterrupt, asyncio.CancelledError, GeneratorExit])
async def test_atomic_rolls_back_for_any_exception(
    error: type[BaseException], write: Write, database: Database, session: WriteSession
) -> None:
    with suppress(error):
        async with atomic(session):
            await write(session, "a")
            raise error

    assert await words(database) == []
    async with atomic(session):
        await write(session, "b")
    assert await words(database) == ["b"]


@EACH_WAY
@pytest.mark.parametrize("write_outside", [write, write_by_orm])
async def test_atomic_inside_of_atomic_takes_back_its_own_part_only(
    write: Write, write_outside: Write, database: Database, session: WriteSession
) -> None:
    async with atomic(session):
        await write_outside(session, "a")
        with suppress(DatabaseIntegrityError):
            async with atomic(session):
                await write(session, "b")
                await write(session, "a")
        async with atomic(session):
            await write(session, "c")
        await write_outside(session, "d")
        assert await words(database) == []

    assert await words(database) == ["a", "c", "d"]


async def test_atomic_that_is_taken_back_restores_entities_too(database: Database, session: WriteSession) -> None:
    async with atomic(session):
        orm = await session.orm()
        user = User(email="ada@example.com", password_hash="x", scopes=[])
        orm.add(user)
        await orm.flush()
        with suppress(Failure):
            async with atomic(session):
                user.password_hash = "y"
                orm.add(User(email="bob@example.com", password_hash="x", scopes=[]))
                raise Failure
        await orm.refresh(user)
        assert user.password_hash == "x"

    async with database.engine.begin() as connection:
        assert (await connection.scalars(delete(User).returning(User.password_hash))).all() == ["x"]


async def test_orm_begins_inside_of_the_driver_s_transaction(database: Database, session: WriteSession) -> None:
    """`orm()` commits to a savepoint; statements of the driver before and after it are in the same transaction."""
    with suppress(Failure):
        async with atomic(session):
            await write(session, "a")
            await write_by_orm(session, "b")
            await (await session.orm()).commit()
            await write(session, "c")
            assert await words(database) == []
            raise Failure

    assert await words(database) == []


async def test_atomic_inside_of_atomic_commits_with_the_outer_one_only(
    database: Database, session: WriteSession
) -> None:
    with suppress(Failure):
        async with atomic(session):
            async with atomic(session), atomic(session):
                await write(session, "a")
            assert await words(database) == []
            raise Failure

    assert await words(database) == []


async def test_flush_meets_constraints_before_the_commit(database: Database, session: WriteSession) -> None:
    async with atomic(session) as uow:
        await uow.flush()
        (await session.orm()).add_all(User(email="a@example.com", password_hash="x", scopes=[]) for _ in "ab")
        with pytest.raises(DatabaseIntegrityError):
            await uow.flush()
        await session.rollback()
