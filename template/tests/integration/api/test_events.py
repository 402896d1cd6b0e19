"""Events of a request: their handlers run after its commit, only after it, and cost no request anything."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from typing import Any, ClassVar

import pytest
from fastapi import APIRouter
from httpx import AsyncClient
from sqlalchemy import text

from app.api.dependencies import UnitOfWork
from app.core import monitor, uow
from app.core.config import ApplicationSettings, EventSettings
from app.core.database import WriteSession, get_async_session
from app.core.events import BaseEvent, get_event_bus
from app.core.exceptions import BusinessRuleError, EventBusException
from tests.applications import running
from tests.buses import until_settled
from tests.factories import PASSWORD
from tests.logs import captured_log

pytestmark = pytest.mark.anyio

notes = APIRouter(prefix="/notes")


class NoteWritten(BaseEvent):
    type: ClassVar[str] = "note.written"
    word: str


@notes.post("/{word}")
async def write(word: str, uow: UnitOfWork) -> str:
    await uow.session.execute(text("INSERT INTO doodles VALUES (:word)"), {"word": word})
    uow.record(NoteWritten(word=word))
    return word


@notes.post("/{word}/refused")
async def refuse(word: str, uow: UnitOfWork) -> None:
    await write(word, uow)
    raise BusinessRuleError("Not today.")


class Handler:
    """Notes each word, if it can be read by then, and the id of its request."""

    def __init__(self) -> None:
        self.heard: list[tuple[str, bool]] = []
        self.requests: list[str | None] = []

    async def __call__(self, event: NoteWritten) -> None:
        async with get_async_session() as session:
            found = await session.scalar(text("SELECT count(*) FROM doodles WHERE word = :word"), {"word": event.word})
        self.heard.append((event.word, bool(found)))
        self.requests.append(event.correlation_id)


@pytest.fixture
def handler() -> Handler:
    return Handler()


@pytest.fixture
def own_settings(settings: ApplicationSettings, scratch_url: str) -> ApplicationSettings:
    limits = EventSettings(queue_size=2, handler_timeout_seconds=5, drain_seconds=0.05)
    return settings.with_database_url(scratch_url).model_copy(update={"events": limits})


@pytest.fixture
async def client(own_settings: ApplicationSettings, handler: Handler) -> AsyncIterator[AsyncClient]:
    async with running(own_settings, notes) as client:
        async with get_async_session() as session:
            statement = "CREATE TABLE doodles (word text UNIQUE DEFERRABLE INITIALLY DEFERRED)"
            await session.execute(text(statement))
            await session.commit()
        get_event_bus().subscribe(NoteWritten, handler)
        yield client


async def test_record_publishes_an_event_after_the_commit(client: AsyncClient, handler: Handler) -> None:
    answer = await client.post("/notes/a", headers={"X-Request-ID": "r-12345678"})
    await until_settled(get_event_bus())

    assert answer.status_code == 200
    assert handler.heard == [("a", True)]
    assert handler.requests == ["r-12345678"]


async def test_record_publishes_nothing_of_a_rollback(client: AsyncClient, handler: Handler) -> None:
    assert (await client.post("/notes/a/refused")).status_code == 409
    assert (await client.post("/notes/a")).status_code == 200
    # The constraint is checked by the commit itself.
    assert (await client.post("/notes/a")).status_code == 500
    await until_settled(get_event_bus())

    assert handler.heard == [("a", True)]


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


async def test_record_reaches_subscribers_from_every_route(
    client: AsyncClient, handler: Handler, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each unit of work records an event here, the one of a service that opens its own, too."""
    plain = uow.UnitOfWork.__init__

    def record_at_once(unit: uow.UnitOfWork, session: WriteSession) -> None:
        plain(unit, session)
        unit.record(NoteWritten(word="a"))

    monkeypatch.setattr(uow.UnitOfWork, "__init__", record_at_once)
    user = {"email": "ada@example.com", "password": PASSWORD}

    def request_id(path: str) -> str:
        return f"request{path.replace('/', '-')}"

    async def call(path: str, body: Mapping[str, object], token: str = "") -> Any:
        headers = {"X-Request-ID": request_id(path), "Authorization": f"Bearer {token}"}
        answer = await client.post(f"/api/v1{path}", json=body, headers=headers)
        assert answer.is_success, answer.text
        # The tests' queues are short.
        await until_settled(get_event_bus())
        return answer.json() if answer.content else None

    await call("/auth/register", user)
    tokens = await call("/auth/login", user)
    tokens = await call("/auth/refresh", {"refresh_token": tokens["refresh_token"]})
    await call("/users/me/api-keys", {"name": "import", "scopes": ["users:read"]}, tokens["access_token"])
    change = {"current_password": PASSWORD, "new_password": f"{PASSWORD} again"}
    await call("/auth/password", change, tokens["access_token"])
    await call("/auth/logout", {}, tokens["access_token"])

    paths = ["/auth/register", "/auth/login", "/auth/refresh", "/users/me/api-keys", "/auth/password", "/auth/logout"]
    assert handler.requests == [request_id(path) for path in paths]


async def test_the_application_s_end_waits_for_handlers_but_not_for_ever(own_settings: ApplicationSettings) -> None:
    reached: list[str] = []
    limits = own_settings.events.model_copy(update={"drain_seconds": 0.5})

    async def slow(event: NoteWritten) -> None:
        # The database is still there while the bus drains.
        async with get_async_session() as session:
            await session.execute(text("SELECT 1"))
        reached.append(event.word)
        if event.word == "b":
            await asyncio.Event().wait()

    async with running(own_settings.model_copy(update={"events": limits}), notes):
        bus = get_event_bus()
        bus.subscribe(NoteWritten, slow)
        await bus.publish(NoteWritten(word="a"))
        await bus.publish(NoteWritten(word="b"))
        assert reached == []

    assert reached == ["a", "b"]
    assert (bus.stats.delivered, bus.stats.dropped) == (1, 1)
    with pytest.raises(EventBusException, match="not running"):
        await bus.publish(NoteWritten(word="c"))


async def test_a_user_of_a_request_is_on_its_lines_and_on_no_other(own_settings: ApplicationSettings) -> None:
    router = APIRouter()

    @router.get("/users/{name}")
    async def user(name: str) -> None:
        monitor.set_user(name, email=f"{name}@example.org")
        await asyncio.sleep(0)

    async with running(own_settings, router) as client:
        with captured_log() as log:
            names = [f"user-{number}" for number in range(200)]
            await asyncio.gather(*(client.get(f"/users/{name}") for name in names))
            await client.get("/nowhere")

    *of_users, last = log.events("request")
    assert sorted(line["user_id"] for line in of_users) == sorted(names)
    assert all(line["path"] == f"/users/{line['user_id']}" for line in of_users)
    assert "user_id" not in last
    assert "example.org" not in log.text


async def test_an_unknown_error_reaches_the_monitor_once_with_its_trail(own_settings: ApplicationSettings) -> None:
    router = APIRouter()

    @router.get("/broken")
    async def broken() -> None:
        monitor.add_breadcrumb("about to break", data={"password": "Xq7planted"})
        raise RuntimeError("token=Xq7planted")

    async with running(own_settings, router) as client:
        with captured_log(level="DEBUG") as log:
            answer = await client.get("/broken", headers={"X-Request-ID": "r-12345678"})
            await client.get("/nowhere")

    assert answer.status_code == 500
    (line,) = log.events("error")
    assert (line["error"], line["support_id"], line["request_id"]) == ("RuntimeError", "r-12345678", "r-12345678")
    assert [(step["step"], step["request_id"]) for step in log.events("breadcrumb")] == [
        ("about to break", "r-12345678")
    ]
    assert "Traceback" in line["exception"]
    assert "planted" not in log.text + answer.text
