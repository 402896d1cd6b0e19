"""atomic() whose task is cancelled: nothing is committed, and no connection is lost."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager, suppress

import anyio
import pytest
from asyncpg.transaction import Transaction
from sqlalchemy import text

from app.core.database import Database, Statement
from app.core.uow import atomic
from tests.integration.core.test_uow import Write, words, write, write_by_orm

pytestmark = pytest.mark.anyio

# As tests/factories.py has it.
POOL_SIZE = 5
# What was cancelled here must not go on there, with its locks.
RUNNING = Statement(
    text("SELECT count(*) FROM pg_stat_activity WHERE query = 'SELECT pg_sleep(10)' AND state = 'active'"), int
)


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
        async with limited(), database.session() as session, atomic(session):
            await write(session, "a")
            await session.execute(Statement(text("SELECT pg_sleep(10)")))
            ended = False
        assert ended

    async with AsyncExitStack() as stack:
        for _ in range(POOL_SIZE):
            connection = await stack.enter_async_context(database.engine.connect())
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
        async with database.session() as session, atomic(session):
            await write(session, "a")
            if moment == "rollback":
                raise RuntimeError

    for number in range(POOL_SIZE):
        async with database.session() as session, atomic(session):
            await write(session, str(number))
    later = [str(number) for number in range(POOL_SIZE)]
    assert await words(database) == [*later, *(["a"] if moment == "commit" else [])]
    assert database.engine.pool.checkedout() == 0  # type: ignore[attr-defined]
