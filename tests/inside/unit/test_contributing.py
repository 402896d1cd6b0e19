"""CONTRIBUTING.md is right: its examples run as a part of this application, and what it names is there.

Each example begins with the path it belongs to, and is imported as a part of the package that is there.
"""

import asyncio
import base64
import gzip
import hashlib
import hmac
import importlib
import json
import re
import sys
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from types import ModuleType
from uuid import uuid4

import pytest
from fastapi import FastAPI
from httpx import AsyncClient
from pydantic import SecretStr
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from app.core.config import ApplicationSettings
from app.core.database import Base, get_database, get_database_stats
from app.core.events import get_event_bus
from app.core.exceptions import ExternalServiceError
from app.core.http import client as client_module
from app.core.jobs import BaseJob, Jobs, RetryLater
from app.core.secrets import get_secrets_service
from app.core.uow import unit_of_work
from app.models.domain.user import DEFAULT_ROLE
from app.services.authentication import get_authentication
from tests.applications import process_with, running, served
from tests.buses import until_settled
from tests.clients import make_client, problem
from tests.factories import make_user
from tests.guide import EXAMPLES, PROJECT
from tests.integration.api import test_openapi
from tests.jobs import run_jobs
from tests.logins import bearer, refresh, with_authentication
from tests.logs import captured_log
from tests.servers.http import faulty_server, reply, then_close

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.skipif(
        any((PROJECT / path).exists() for path in EXAMPLES),
        reason="this project has modules of the examples' names: give the examples in CONTRIBUTING.md other ones",
    ),
]


@pytest.fixture(scope="session")
def modules(tmp_path_factory: pytest.TempPathFactory) -> dict[str, ModuleType]:
    """The examples as modules, by their names. No other test finds them, and migrations do not see their table.

    Once per process: SQLAlchemy remembers the names of models.
    """
    folder = tmp_path_factory.mktemp("examples")
    parents: dict[str, ModuleType] = {}
    with pytest.MonkeyPatch.context() as patch:
        for path, source in EXAMPLES.items():
            file = folder / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(source, encoding="utf-8")
            name = path.removeprefix("src/").removesuffix(".py").replace("/", ".")
            parents[name] = parent = importlib.import_module(name.rpartition(".")[0])
            patch.setattr(parent, "__path__", [*parent.__path__, str(file.parent)])
        importlib.invalidate_caches()
        found = {name: importlib.import_module(name) for name in parents}
    for name, parent in parents.items():
        del sys.modules[name]
        delattr(parent, name.rpartition(".")[2])
    Base.metadata.remove(found["app.models.domain.note"].Note.__table__)
    return found


@pytest.fixture
async def note_client(
    app: FastAPI, transaction: AsyncConnection, modules: dict[str, ModuleType]
) -> AsyncIterator[AsyncClient]:
    """A client of the application with the notes in it, and their table in this test's transaction.

    The user was there before the notes.
    """
    table = modules["app.models.domain.note"].Note.__table__
    await transaction.run_sync(table.create)
    service, routes = modules["app.services.notes"], modules["app.api.routes.notes"].router.routes
    before = list(app.router.routes)
    _, tokens = await make_user()
    async with AsyncExitStack() as stack:
        roles = get_authentication().roles
        roles = {**roles, DEFAULT_ROLE: [*roles[DEFAULT_ROLE], "notes:read", "notes:write"]}
        stack.enter_context(with_authentication(roles=roles))
        stack.callback(app.router.routes.__setitem__, slice(None), before)
        app.router.routes.extend(routes)
        created = modules["app.models.events.note"].NoteChanged
        get_event_bus().subscribe(created, service.forget_count)
        stack.callback(get_event_bus().unsubscribe, created, service.forget_count)
        client = await stack.enter_async_context(make_client(app))
        client.headers.update(bearer((await refresh(client, tokens.model_dump())).json()))
        yield client


async def test_the_notes_keep_what_their_own_test_says(
    note_client: AsyncClient, app: FastAPI, modules: dict[str, ModuleType]
) -> None:
    (test,) = (
        value for name, value in vars(modules["tests.integration.api.test_notes"]).items() if name.startswith("test_")
    )
    async with make_client(app) as anonymous:
        with captured_log() as log:
            await test(note_client, anonymous)
    assert len(log.events("note created")) == 3


async def test_what_is_cached_is_forgotten_once_a_note_is_committed(note_client: AsyncClient) -> None:
    assert (await note_client.get("/api/v1/notes/count")).json() == 0
    assert (await note_client.post("/api/v1/notes", json={"text": "Water the plants."})).status_code == 201
    await until_settled(get_event_bus())
    assert (await note_client.get("/api/v1/notes/count")).json() == 1


async def test_a_job_counts_the_notes_of_a_committed_unit_of_work(
    note_client: AsyncClient, modules: dict[str, ModuleType]
) -> None:
    digest = modules["app.services.note_digest"]
    jobs = Jobs()
    jobs.register(digest.CountNotes, digest.run_count)
    async with unit_of_work() as uow:
        digest.ask_for_count(uow, uuid4())
    with captured_log() as log, process_with(jobs):
        await run_jobs()
    (line,) = log.events("notes counted")
    assert line["count"] == 0


async def test_a_webhook_is_signed_tried_for_a_day_and_put_aside_then(
    note_client: AsyncClient, modules: dict[str, ModuleType], monkeypatch: pytest.MonkeyPatch
) -> None:
    webhooks, owner = modules["app.services.note_webhooks"], uuid4()
    async with unit_of_work() as uow:
        secret = SecretStr(f"whsec_{base64.b64encode(b'k' * 24).decode()}")
        await get_secrets_service().set_api_key(uow.session, owner, "webhook", secret)
    jobs = Jobs()
    jobs.register(webhooks.CallWebhook, webhooks.call_webhook)

    async def attempt(job: BaseJob, number: int) -> None:
        await jobs.run(job.type, job.to_payload(), {}, number=1, starts=number)

    async with faulty_server(reply(503), reply(204), reply(503)) as server:
        job = webhooks.CallWebhook(url=f"{server.url}/hook", owner_id=owner, note_id=uuid4())
        with pytest.raises(RetryLater) as caught:
            await attempt(job, 1)
        # The test's server is on an address that users may not choose.
        assert isinstance(caught.value.__cause__, ExternalServiceError)
        assert server.requests == []
        monkeypatch.setattr(client_module, "is_public", lambda address: address == "127.0.0.1")
        with pytest.raises(RetryLater):
            await attempt(job, 1)
        await attempt(job, 2)
        with captured_log() as log, pytest.raises(ExternalServiceError):
            await attempt(job, job.attempts)

    assert log.events("error")[0]["last"] is True
    assert sum(min(job.longest_backoff_seconds, job.backoff_seconds * 2**number) for number in range(job.attempts - 1)) >= 86400
    assert len(server.requests) == 3
    for received in server.requests:
        assert received.headers["webhook-id"] == str(job.id)
        assert abs(int(received.headers["webhook-timestamp"]) - time.time()) < 60
        signed = f"{job.id}.{received.headers['webhook-timestamp']}.{received.body.decode()}"
        expected = hmac.new(b"k" * 24, signed.encode(), hashlib.sha256).digest()
        assert received.headers["webhook-signature"] == f"v1,{base64.b64encode(expected).decode()}"
        assert json.loads(received.body)["data"] == {"note_id": str(job.note_id)}


async def test_an_import_takes_each_page_once_however_often_it_is_run(
    note_client: AsyncClient, modules: dict[str, ModuleType], monkeypatch: pytest.MonkeyPatch
) -> None:
    imports, jobs = modules["app.services.note_imports"], Jobs()
    jobs.register(imports.ImportNotes, imports.run_import)
    monkeypatch.setattr(client_module, "is_public", lambda address: address == "127.0.0.1")
    owner, _ = await make_user()
    first = reply(body=b'["a", "b"]')
    async with faulty_server(first, first, reply(body=b'["c"]'), reply(body=b"[]")) as server:
        job = imports.ImportNotes(owner_id=owner.id, url=server.url)
        # Its worker dies after the commit: it is run again, and the next page is waiting.
        for _ in range(2):
            await imports.run_import(job)
        with process_with(jobs):
            await run_jobs()

    assert [request.target for request in server.requests] == [f"/?page={number}" for number in (1, 1, 2, 3)]
    counted = await modules["app.repositories.notes"].count_notes(get_database().reader, owner.id)
    assert counted == 3


async def test_the_dictionary_is_asked_with_the_secret_and_once(
    app: FastAPI, transaction: AsyncConnection, modules: dict[str, ModuleType]
) -> None:
    dictionary = modules["app.services.dictionary"]
    organization = uuid4()
    async with unit_of_work() as uow:
        await get_secrets_service().set_api_key(uow.session, organization, "dictionary", SecretStr("s3cret"))
    async with faulty_server(reply(503), reply(body=b'"a seat"')) as server:
        with process_with(modules["app.core.config.dictionary"].DictionarySettings(url=server.url)):
            assert await dictionary.get_meaning(organization, "chair") == "a seat"
            assert await dictionary.get_meaning(organization, "chair") == "a seat"
    first, second = server.requests
    assert first.headers["x-key"] == second.headers["x-key"] == "s3cret"
    assert gzip.decompress(await dictionary.compress("a seat")) == b"a seat"


async def test_words_fail_with_a_problem_before_the_first_and_with_an_event_after_it(
    app: FastAPI, client: AsyncClient, anonymous: AsyncClient, modules: dict[str, ModuleType]
) -> None:
    before = list(app.router.routes)
    app.router.routes.extend(modules["app.api.routes.words"].router.routes)
    cut = then_close(b"HTTP/1.1 200 x\r\nContent-Length: 99\r\n\r\nseat\ntab")
    try:
        async with faulty_server(reply(500), cut, reply(body=b"seat\ntable\n")) as server:
            with process_with(modules["app.core.config.dictionary"].DictionarySettings(url=server.url)):
                problem(await anonymous.get("/api/v1/words"), 401, "AUTHENTICATION_FAILED")
                assert server.requests == []
                problem(await client.get("/api/v1/words"), 503, "EXTERNAL_SERVICE_ERROR")
                with captured_log() as log:
                    broken = await client.get("/api/v1/words")
                whole = await client.get("/api/v1/words")
    finally:
        app.router.routes[:] = before

    assert (broken.status_code, whole.status_code) == (200, 200)
    assert re.findall(r"^event: (\w+)$", broken.text, re.MULTILINE) == ["word", "failed"]
    assert [line["error_code"] for line in log.events("error")] == ["EXTERNAL_SERVICE_ERROR"]
    assert re.findall(r"^event: (\w+)$", whole.text, re.MULTILINE) == ["word", "word", "end"]
    assert re.findall(r'^data: "(\w+)"$', whole.text, re.MULTILINE) == ["seat", "table"]


async def test_the_document_describes_the_examples_as_it_describes_all_routes(
    settings: ApplicationSettings, modules: dict[str, ModuleType], monkeypatch: pytest.MonkeyPatch
) -> None:
    routers = [module.router for name, module in modules.items() if name.startswith("app.api.routes.")]
    monkeypatch.setattr("app.main.ROUTERS", routers)
    async with running(settings) as client:
        document = (await client.get("/openapi.json")).json()

    kinds = [
        kind
        for path in ("note-streams/all", "note-streams/count", "words")
        for kind in document["paths"][f"/api/v1/{path}"]["get"]["responses"]["200"]["content"]
    ]
    assert kinds == ["application/jsonl", "text/event-stream", "text/event-stream"]
    await test_openapi.test_openapi_is_valid(document)
    await test_openapi.test_openapi_describes_every_operation_for_people_and_for_generators(document)
    await test_openapi.test_openapi_describes_every_refusal(document)
    await test_openapi.test_every_body_has_an_example(document)


@pytest.mark.parametrize("stream", ["all", "count"])
async def test_streams_give_their_connections_back_when_clients_hang_up(
    stream: str, app: FastAPI, scratch: AsyncEngine, modules: dict[str, ModuleType]
) -> None:
    user, tokens = await make_user(scopes=["notes:read"])
    table = modules["app.models.domain.note"].Note.__table__
    async with scratch.begin() as connection:
        await connection.run_sync(table.create)
        notes = "SELECT gen_random_uuid(), :owner, 'Water' FROM generate_series(1, 10000)"
        for _ in range(10):  # each within a statement's time, on a busy machine, too
            await connection.execute(text(f"INSERT INTO notes (id, owner_id, text) {notes}"), {"owner": user.id})
    before = list(app.router.routes)
    app.router.routes.extend(modules["app.api.routes.note_streams"].router.routes)
    headers = {"Authorization": f"Bearer {tokens.access_token}"}
    try:
        async with served(app) as url, AsyncClient(base_url=url, headers=headers, timeout=60) as client:
            path = f"/api/v1/note-streams/{stream}"
            for _ in range(10):  # twice as many as the pool has
                async with client.stream("GET", path) as answer:
                    assert answer.status_code == 200
                    assert await anext(answer.aiter_lines())
            if stream == "all":
                async with client.stream("GET", path) as answer:
                    assert len([line async for line in answer.aiter_lines()]) == 100_000
            async with asyncio.timeout(10):
                while get_database_stats().in_use:  # noqa: ASYNC110
                    await asyncio.sleep(0.01)
    finally:
        app.router.routes[:] = before
