"""atomic() whose task is cancelled: nothing is committed, and no connection is lost."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager, suppress

import anyio
import pytest
from sqlalchemy import text

from app.core.database import Database
from app.core.uow import atomic
from tests.integration.core.test_uow import write

pytestmark = pytest.mark.anyio

# As tests/factories.py has it.
POOL_SIZE = 5


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
async def test_atomic_that_is_cancelled_rolls_back_and_frees_its_connection(
    limited: Callable[[], AbstractAsyncContextManager[None]], database: Database
) -> None:
    for _ in range(POOL_SIZE + 1):
        ended = True
        async with limited(), database.session() as session, atomic(session):
            await write(session, "a")
            await session.execute(text("SELECT pg_sleep(10)"))
            ended = False
        assert ended

    async with AsyncExitStack() as stack:
        for _ in range(POOL_SIZE):
            connection = await stack.enter_async_context(database.engine.connect())
            assert (await connection.execute(text("SELECT count(*) FROM doodles"))).scalar_one() == 0
