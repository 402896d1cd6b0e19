"""Events of a request: their handlers run after its commit, only after it, and cost no request anything."""

import asyncio
from collections.abc import AsyncIterator
from typing import ClassVar

import pytest
from fastapi import APIRouter
from httpx import AsyncClient
from sqlalchemy import text

from app.api.dependencies import UnitOfWork
from app.core.config import ApplicationSettings, EventSettings
from app.core.database import Statement, get_async_session
from app.core.events import BaseEvent, get_event_bus
from app.core.exceptions import BusinessRuleError
from tests.applications import running
from tests.buses import until_settled
from tests.logs import captured_log

pytestmark = pytest.mark.anyio

notes = APIRouter(prefix="/notes")


class NoteWritten(BaseEvent):
    type: ClassVar[str] = "note.written"
    word: str


@notes.post("/{word}")
async def write(word: str, uow: UnitOfWork) -> str:
    await uow.session.execute(Statement(text("INSERT INTO doodles VALUES (:word)")), word=word)
    uow.record(NoteWritten(word=word))
    return word


@notes.post("/{word}/refused")
async def refuse(word: str, uow: UnitOfWork) -> None:
    await write(word, uow)
    raise BusinessRuleError("Not today.")


class Handler:
    """Notes each word, if it can be read by then, and the id of its request."""

    def __init__(self) -> None:
        self.heard: list[tuple[str, bool, str | None]] = []

    async def __call__(self, event: NoteWritten) -> None:
        async with get_async_session() as session:
            statement = Statement(text("SELECT count(*) FROM doodles WHERE word = :word"), int)
            found = await session.one(statement, word=event.word)
        self.heard.append((event.word, bool(found), event.correlation_id))


@pytest.fixture
def handler() -> Handler:
    return Handler()


@pytest.fixture
def own_settings(settings: ApplicationSettings, scratch_url: str) -> ApplicationSettings:
    limits = EventSettings(queue_size=2, handler_timeout_seconds=5, drain_seconds=0.2)
    return settings.with_database_url(scratch_url).model_copy(update={"events": limits})


@pytest.fixture
async def client(own_settings: ApplicationSettings, handler: Handler) -> AsyncIterator[AsyncClient]:
    async with running(own_settings, notes) as client:
        async with get_async_session() as session:
            statement = "CREATE TABLE doodles (word text UNIQUE DEFERRABLE INITIALLY DEFERRED)"
            await session.execute(Statement(text(statement)))
            await session.commit()
        get_event_bus().subscribe(NoteWritten, handler)
        yield client


async def test_record_publishes_after_the_commit_and_nothing_of_a_rollback(
    client: AsyncClient, handler: Handler
) -> None:
    assert (await client.post("/notes/a/refused")).status_code == 409
    assert (await client.post("/notes/a", headers={"X-Request-ID": "r-12345678"})).status_code == 200
    # The constraint is checked by the commit itself.
    assert (await client.post("/notes/a")).status_code == 500
    await until_settled(get_event_bus())

    assert handler.heard == [("a", True, "r-12345678")]


async def test_a_handler_that_hangs_or_fails_costs_no_request_anything(client: AsyncClient) -> None:
    async def hang(_event: NoteWritten) -> None:
        await asyncio.Event().wait()

    async def fail(_event: NoteWritten) -> None:
        raise RuntimeError

    get_event_bus().subscribe(NoteWritten, hang)
    get_event_bus().subscribe(NoteWritten, fail)
    with captured_log() as log:
        async with asyncio.timeout(4):
            # The third finds one under way and two waiting: it is refused, and fails no request either.
            statuses = [(await client.post(f"/notes/{number}")).status_code for number in range(5)]

    assert statuses == [200] * 5
    rejected = [line for line in log.events("error") if line["error"] == "EventRejectedError"]
    assert {line["event_type"] for line in rejected} == {"note.written"}
    assert all(line["request_id"] for line in rejected)
    assert len(rejected) == 2


async def test_the_application_s_end_waits_for_handlers_but_not_for_ever(own_settings: ApplicationSettings) -> None:
    reached: list[str] = []

    async def slow(event: NoteWritten) -> None:
        # The database is still there while the bus drains.
        async with get_async_session() as session:
            await session.execute(Statement(text("SELECT 1")))
        reached.append(event.word)
        if event.word == "b":
            await asyncio.Event().wait()

    async with running(own_settings, notes):
        bus = get_event_bus()
        bus.subscribe(NoteWritten, slow)
        await bus.publish(NoteWritten(word="a"))
        await bus.publish(NoteWritten(word="b"))
        assert reached == []

    assert reached == ["a", "b"]
    assert (bus.stats.delivered, bus.stats.dropped) == (1, 1)
