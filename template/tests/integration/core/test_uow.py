"""What a unit of work commits, what it takes back, and what it tells others about it."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass
from typing import ClassVar

import anyio
import pytest
from sqlalchemy import text

from app.core.database import Database, WriteSession
from app.core.events import BaseEvent
from app.core.exceptions import DatabaseException, DatabaseIntegrityError
from app.core.uow import atomic
from tests.logs import captured_log

pytestmark = pytest.mark.anyio


# As tests/factories.py has it.
POOL_SIZE = 5


@dataclass(frozen=True, kw_only=True)
class Written(BaseEvent):
    type: ClassVar[str] = "word.written"
    word: str


class Failure(Exception):
    """What goes wrong inside a block."""


class Listener:
    """Hears of events, and looks at once what others can see in the database."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.heard: list[str] = []
        self.seen: list[list[str]] = []

    async def __call__(self, event: BaseEvent) -> None:
        assert isinstance(event, Written)
        self.heard.append(event.word)
        self.seen.append(await words(self.database))


async def write(session: WriteSession, word: str) -> None:
    await session.execute(text("INSERT INTO doodles VALUES (:word)"), {"word": word})


async def words(database: Database) -> list[str]:
    """What everybody can see."""
    async with database.engine.connect() as connection:
        return list(await connection.scalars(text("SELECT word FROM doodles ORDER BY word")))


async def test_what_is_done_inside_is_committed_when_the_block_ends(database: Database, session: WriteSession) -> None:
    async with atomic(session) as uow:
        assert uow.session is session
        await write(session, "a")
        await write(session, "b")
        assert await words(database) == []

    assert await words(database) == ["a", "b"]


@pytest.mark.parametrize("error", [Failure, KeyboardInterrupt, asyncio.CancelledError, GeneratorExit])
async def test_whatever_is_raised_takes_everything_back(
    error: type[BaseException], database: Database, session: WriteSession
) -> None:
    with suppress(error):
        async with atomic(session):
            await write(session, "a")
            raise error

    assert await words(database) == []
    async with atomic(session):
        await write(session, "b")
    assert await words(database) == ["b"]


async def test_an_inner_block_that_fails_takes_back_its_own_part_only(
    database: Database, session: WriteSession
) -> None:
    async with atomic(session):
        await write(session, "a")
        with suppress(Failure):
            async with atomic(session):
                await write(session, "b")
                raise Failure
        await write(session, "c")

    assert await words(database) == ["a", "c"]


async def test_an_inner_block_that_breaks_a_constraint_can_be_survived(
    database: Database, session: WriteSession
) -> None:
    async with atomic(session):
        await write(session, "a")
        with pytest.raises(DatabaseIntegrityError):
            async with atomic(session):
                await write(session, "a")
        await write(session, "c")

    assert await words(database) == ["a", "c"]


async def test_an_inner_block_is_committed_with_the_outer_one_only(database: Database, session: WriteSession) -> None:
    with suppress(Failure):
        async with atomic(session):
            async with atomic(session), atomic(session):
                await write(session, "a")
            assert await words(database) == []
            raise Failure

    assert await words(database) == []


async def test_blocks_can_follow_each_other(database: Database, session: WriteSession) -> None:
    for word in "ab":
        async with atomic(session):
            await write(session, word)
        assert word in await words(database)


async def test_two_sessions_are_two_units_of_work(database: Database, session: WriteSession) -> None:
    listener = Listener(database)
    async with database.session() as other:
        with suppress(Failure):
            async with atomic(session) as one, atomic(other, publish=listener) as two:
                await write(session, "a")
                one.record(Written(word="a"))
                await write(other, "b")
                two.record(Written(word="b"))
                await two.flush()
                async with atomic(other):
                    await write(other, "c")
                raise Failure
        async with atomic(other, publish=listener) as two:
            await write(other, "d")
            two.record(Written(word="d"))

    assert await words(database) == ["d"]
    assert listener.heard == ["d"]


async def test_events_are_published_once_the_changes_can_be_seen(database: Database, session: WriteSession) -> None:
    listener = Listener(database)

    async with atomic(session, publish=listener) as uow:
        await write(session, "a")
        uow.record(Written(word="a"))
        assert listener.heard == []

    assert listener.heard == ["a"]
    assert listener.seen == [["a"]]


async def test_events_come_in_the_order_of_their_blocks_ends(database: Database, session: WriteSession) -> None:
    listener = Listener(database)

    async with atomic(session, publish=listener) as outer:
        outer.record(Written(word="1"))
        async with atomic(session) as inner:
            inner.record(Written(word="2"))
            async with atomic(session) as innermost:
                innermost.record(Written(word="3"))
        outer.record(Written(word="4"))
        assert listener.heard == []

    assert listener.heard == ["1", "2", "3", "4"]


async def test_events_of_what_was_taken_back_are_dropped(database: Database, session: WriteSession) -> None:
    listener = Listener(database)

    async with atomic(session, publish=listener) as outer:
        outer.record(Written(word="kept"))
        with suppress(Failure):
            async with atomic(session) as inner:
                async with atomic(session) as innermost:
                    innermost.record(Written(word="dropped"))
                inner.record(Written(word="dropped"))
                raise Failure
    with suppress(Failure):
        async with atomic(session, publish=listener) as outer:
            outer.record(Written(word="dropped"))
            raise Failure

    assert listener.heard == ["kept"]


async def test_a_failure_to_publish_is_reported_and_changes_nothing(database: Database, session: WriteSession) -> None:
    tried: list[str] = []

    async def publish(event: BaseEvent) -> None:
        tried.append(event.type)
        raise RuntimeError("password=Xq7planted")

    with captured_log() as log:
        async with atomic(session, publish=publish) as uow:
            await write(session, "a")
            uow.record(Written(word="a"))
            uow.record(Written(word="b"))

    assert await words(database) == ["a"]
    # One failure keeps no other event back.
    assert tried == [line["event_type"] for line in log.events("error")] == ["word.written"] * 2
    assert "RuntimeError" in log.lines[0]["exception"]
    assert "planted" not in log.text


async def test_a_commit_that_fails_is_raised_and_nobody_is_told(database: Database, session: WriteSession) -> None:
    listener = Listener(database)
    await session.execute(text("INSERT INTO doodles VALUES ('a')"))
    await session.commit()

    async def commit_the_same_word() -> None:
        async with atomic(session, publish=listener) as uow:
            await session.execute(text("SET CONSTRAINTS ALL DEFERRED"))
            await write(session, "a")
            uow.record(Written(word="a"))

    with pytest.raises(DatabaseIntegrityError) as caught:
        await commit_the_same_word()

    assert "doodles" not in caught.value.message
    assert caught.value.__cause__ is not None
    assert listener.heard == []
    assert await words(database) == ["a"]


async def test_an_error_of_the_database_that_is_swallowed_fails_the_commit(
    database: Database, session: WriteSession
) -> None:
    """PostgreSQL answers COMMIT in a failed transaction with ROLLBACK, and without any error."""
    listener = Listener(database)

    async def swallow() -> None:
        async with atomic(session, publish=listener) as uow:
            await write(session, "a")
            uow.record(Written(word="a"))
            with pytest.raises(DatabaseIntegrityError):
                await write(session, "a")

    with pytest.raises(DatabaseException):
        await swallow()

    assert listener.heard == []
    assert await words(database) == []
    async with atomic(session, publish=listener):
        await write(session, "b")
    assert await words(database) == ["b"]


async def test_flush_meets_constraints_before_the_commit(database: Database, session: WriteSession) -> None:
    async with atomic(session) as uow:
        await write(session, "a")
        await uow.flush()
        assert await words(database) == []


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
async def test_a_block_that_is_cancelled_takes_everything_back_and_frees_its_connection(
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
