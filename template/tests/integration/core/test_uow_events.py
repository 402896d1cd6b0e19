"""The events and actions of atomic(): they follow from its commit, and from nothing else."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from functools import partial
from typing import ClassVar

import pytest

from app.core.database import Database, WriteSession
from app.core.events import BaseEvent, EventBus
from app.core.exceptions import ConfigurationError, DatabaseException, DatabaseIntegrityError
from app.core.process import open_process
from app.core.uow import atomic
from tests.buses import until_settled
from tests.integration.core.test_uow import EACH_WAY, Failure, Write, words, write
from tests.logs import captured_log

pytestmark = pytest.mark.anyio


class Written(BaseEvent):
    type: ClassVar[str] = "word.written"
    word: str


class Listener:
    """Hears of events."""

    def __init__(self, bus: EventBus) -> None:
        self.bus = bus
        self._heard: list[str] = []

    async def __call__(self, event: Written) -> None:
        self._heard.append(event.word)

    async def heard(self) -> list[str]:
        """The words so far."""
        await until_settled(self.bus)
        return self._heard


@pytest.fixture
async def bus() -> AsyncIterator[EventBus]:
    """The process's bus."""
    async with open_process() as process:
        bus = EventBus(queue_size=4)
        process.add(bus, close=partial(bus.stop, drain_seconds=1))
        bus.start()
        yield bus


@pytest.fixture
def listener(bus: EventBus) -> Listener:
    listener = Listener(bus)
    bus.subscribe(Written, listener)
    return listener


async def test_record_and_after_commit_do_nothing_after_a_rollback(
    database: Database, session: WriteSession, listener: Listener
) -> None:
    done: list[str] = []
    async with atomic(session) as outer:
        outer.record(Written(word="kept"))
        with suppress(Failure):
            async with atomic(session) as inner:
                async with atomic(session) as innermost:
                    innermost.record(Written(word="dropped"))
                inner.record(Written(word="dropped"))
                raise Failure
    with suppress(Failure):
        async with atomic(session) as outer:
            outer.record(Written(word="dropped"))
            outer.after_commit(lambda: done.append("called"))
            raise Failure

    assert await listener.heard() == ["kept"]
    assert done == []


async def test_after_commit_reports_a_failure_which_keeps_no_other_action_back(
    database: Database, session: WriteSession, listener: Listener
) -> None:
    done: list[str] = []

    async def wait() -> None:
        await asyncio.sleep(0)
        done.append("waited")

    async def fail() -> None:
        raise RuntimeError("password=Xq7planted")

    def fail_at_once() -> None:
        raise RuntimeError("password=Xq7planted")

    with captured_log() as log:
        async with atomic(session) as uow:
            await write(session, "a")
            # The queue of the listener holds four.
            for word in ("a", "b", "c", "d", "refused", "refused"):
                uow.record(Written(word=word))
            for action in (fail_at_once, wait, fail, lambda: done.append("called")):
                uow.after_commit(action)
            assert done == []

    assert await words(database) == ["a"]
    assert await listener.heard() == ["a", "b", "c", "d"]
    assert done == ["waited", "called"]
    errors = [line["error"] for line in log.events("error")]
    assert errors == ["EventBusException"] * 2 + ["RuntimeError"] * 2
    assert "planted" not in log.text


async def test_record_without_a_bus_is_an_error_before_the_commit(
    database: Database, session: WriteSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.core.process._open", [])

    async def record() -> None:
        async with atomic(session) as uow:
            await write(session, "a")
            uow.record(Written(word="a"))

    with pytest.raises(ConfigurationError, match="no EventBus") as caught:
        await record()

    assert "open_services" in str(caught.value.next_step)
    assert await words(database) == []


@EACH_WAY
async def test_atomic_fails_where_an_error_of_the_database_was_swallowed(
    write: Write, database: Database, session: WriteSession, listener: Listener
) -> None:
    """PostgreSQL answers COMMIT in a failed transaction with ROLLBACK, and without any error."""

    async def swallow() -> None:
        async with atomic(session) as uow:
            await write(session, "a")
            uow.record(Written(word="a"))
            with pytest.raises(DatabaseIntegrityError):
                await write(session, "a")

    with pytest.raises(DatabaseException):
        await swallow()

    assert await listener.heard() == []
    assert await words(database) == []
    async with atomic(session):
        await write(session, "b")
    assert await words(database) == ["b"]
