"""Web sockets, over real connections: the caller, limits and the log are there as for any request."""

import asyncio
import uuid
from collections.abc import AsyncIterator
from typing import Any

import pytest
from fastapi import APIRouter, WebSocket
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosedError, InvalidStatus

from app.api.dependencies import Caller, ClientAddress
from app.core.cache import request_cached
from app.core.config import ApplicationSettings
from app.core.exceptions import BusinessRuleError
from tests.applications import application, running, served
from tests.factories import make_user
from tests.logs import Log

pytestmark = pytest.mark.anyio

router = APIRouter()


@router.websocket("/caller")
async def caller(socket: WebSocket, who: Caller, address: ClientAddress) -> None:
    await socket.accept()
    await socket.send_json([str(who.user_id), address])


@router.websocket("/bug")
async def bug(socket: WebSocket, *, accepted: bool = False) -> None:
    if accepted:
        await socket.accept()
    raise KeyError("a bug of the web socket's")


@router.websocket("/rule")
async def rule(socket: WebSocket) -> None:
    await socket.accept()
    raise BusinessRuleError("No more of these.")


@request_cached(lambda: None)
async def token() -> str:
    return uuid.uuid4().hex


@router.websocket("/cached")
async def cached(socket: WebSocket) -> None:
    await socket.accept()
    async for _ in socket.iter_text():
        await socket.send_json(await token())


@pytest.fixture
async def address(settings: ApplicationSettings) -> AsyncIterator[str]:
    async with running(settings, router) as client, served(application(client)) as url:
        yield url.replace("http", "ws")


async def requests(log: Log) -> list[dict[str, Any]]:
    """The lines of requests, as soon as there are any: the server may be about to write them."""
    async with asyncio.timeout(30):
        while not (lines := log.events("request")):  # noqa: ASYNC110 — the server waits for no reader of its log
            await asyncio.sleep(0.001)
    return lines


async def test_web_socket_knows_its_caller_as_a_request_does(address: str, log: Log) -> None:
    user, tokens = await make_user()
    headers = {"Authorization": f"Bearer {tokens.access_token}", "X-Request-ID": "well-formed"}
    async with connect(f"{address}/caller?email=planted", additional_headers=headers) as socket:
        assert await socket.recv() == f'["{user.id}","127.0.0.1"]'
        assert socket.response is not None
        assert socket.response.headers["X-Request-ID"] == "well-formed"
    (line,) = await requests(log)
    assert (line["method"], line["path"], line["status"]) == ("WEBSOCKET", "/caller", 101)
    assert (line["request_id"], line["user_id"]) == ("well-formed", str(user.id))
    assert "planted" not in log.text


@pytest.mark.parametrize(
    ("path", "status", "code"),
    [
        ("/caller", 401, "AUTHENTICATION_FAILED"),
        ("/bug?accepted=planted", 422, "VALIDATION_ERROR"),
        ("/bug", 500, "INTERNAL_ERROR"),
    ],
)
async def test_refused_handshake_says_why(path: str, status: int, code: str, address: str, log: Log) -> None:
    with pytest.raises(InvalidStatus) as refused:
        await connect(f"{address}{path}")
    answer = refused.value.response

    assert answer.status_code == status
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert f'"error_code":"{code}"'.encode() in answer.body
    (line,) = await requests(log)
    assert (line["path"], line["status"]) == (path.partition("?")[0], status)
    assert line["request_id"] == answer.headers["X-Request-ID"]
    assert "planted" not in log.text
    assert len(log.events("error")) == (status == 500)


@pytest.mark.parametrize(("path", "status"), [("/rule", 409), ("/bug?accepted=true", 101)])
async def test_open_web_socket_is_closed_by_an_error(path: str, status: int, address: str, log: Log) -> None:
    async with connect(f"{address}{path}") as socket:
        with pytest.raises(ConnectionClosedError):
            await socket.recv()

    assert socket.close_code == 1011
    assert [line["status"] for line in await requests(log)] == [status]
    assert len(log.events("error")) == 1


async def test_web_socket_has_no_request_cache_and_leaving_it_is_no_error(address: str, log: Log) -> None:
    seen = []
    async with connect(f"{address}/cached") as socket:
        for _ in range(2):
            await socket.send("again")
            seen.append(await socket.recv())

    assert seen[0] != seen[1]
    assert [line["status"] for line in await requests(log)] == [101]
    assert {line["level"] for line in log.lines} <= {"info", "debug"}
