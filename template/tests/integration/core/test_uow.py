"""atomic(): its commit and rollback, those of blocks inside of it, and those of a task that is cancelled."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager, suppress

import anyio
import pytest
from asyncpg.transaction import Transaction
from sqlalchemy import delete, text

from app.core.database import Database, Statement, WriteSession, get_async_session
from app.core.exceptions import DatabaseIntegrityError
from app.core.uow import atomic
from app.models.domain.user import User

pytestmark = pytest.mark.anyio


# As tests/factories.py has it.
POOL_SIZE = 5
# What was cancelled here must not go on there, with its locks.
RUNNING = Statement(
    text("SELECT count(*) FROM pg_stat_activity WHERE query = 'SELECT pg_sleep(10)' AND state = 'active'"), int
)

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
    async with database.writing.engine.connect() as connection:
        return list(await connection.scalars(text("SELECT word FROM doodles ORDER BY word")))


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

    async with database.writing.engine.begin() as connection:
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


async def test_flush_meets_constraints_before_the_commit(database: Database, session: WriteSession) -> None:
    async with atomic(session) as uow:
        await uow.flush()
        (await session.orm()).add_all(User(email="a@example.com", password_hash="x", scopes=[]) for _ in "ab")
        with pytest.raises(DatabaseIntegrityError):
            await uow.flush()
        await session.rollback()


@asynccontextmanager
async def _asyncio_timeout() -> AsyncIterator[None]:
    with suppress(TimeoutError):
        async with asyncio.timeout(0.02):
            yield


@asynccontextmanager
async def _anyio_timeout() -> AsyncIterator[None]:
    with anyio.move_on_after(0.02):
        yield


@pytest.mark.parametrize("limited", [_asyncio_timeout, _anyio_timeout])
@pytest.mark.parametrize("write", [write, write_by_orm])
async def test_atomic_that_is_cancelled_rolls_back_and_frees_its_connection(
    write: Write, limited: Callable[[], AbstractAsyncContextManager[None]], database: Database
) -> None:
    for _ in range(POOL_SIZE + 1):
        ended = True
        async with limited(), get_async_session() as session, atomic(session):
            await write(session, "a")
            await session.execute(Statement(text("SELECT pg_sleep(10)")))
            ended = False
        assert ended

    async with AsyncExitStack() as stack:
        for _ in range(POOL_SIZE):
            connection = await stack.enter_async_context(database.writing.engine.connect())
            assert (await connection.execute(text("SELECT count(*) FROM doodles"))).scalar_one() == 0
    for _ in range(400):
        if not await database.reader.one(RUNNING):
            return
        await asyncio.sleep(0.02)
    pytest.fail("the statement goes on, with its locks")


@pytest.mark.parametrize("moment", ["start", "commit", "rollback"])
async def test_a_connection_whose_transaction_was_cancelled_at_its_ends_is_not_used_again(
    moment: str, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The driver would take the next transaction for one inside of it."""
    whole = getattr(Transaction, moment)

    async def cancelled(transaction: Transaction) -> None:
        await whole(transaction)
        raise asyncio.CancelledError

    with monkeypatch.context() as patch, suppress(asyncio.CancelledError, RuntimeError):
        patch.setattr(Transaction, moment, cancelled)
        async with get_async_session() as session, atomic(session):
            await write(session, "a")
            if moment == "rollback":
                raise RuntimeError

    for number in range(POOL_SIZE):
        async with get_async_session() as session, atomic(session):
            await write(session, str(number))
    later = [str(number) for number in range(POOL_SIZE)]
    assert await words(database) == [*later, *(["a"] if moment == "commit" else [])]
    assert database.writing.usage()[1] == 0
