"""Web sockets, over real connections: the caller, limits and the log are there as for any request."""

import asyncio
import uuid
from collections.abc import AsyncIterator
from typing import Annotated, Any

import pytest
from fastapi import APIRouter, Depends, FastAPI, WebSocket
from httpx import AsyncClient
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosedError, InvalidStatus

from app.api.identity import Caller, CallerWith, ClientAddress, LoggedIn, limited_to
from app.core.cache import request_cached
from app.core.config import ApplicationSettings
from app.core.exceptions import BusinessRuleError
from app.core.logging import current_request_id
from app.core.security import Principal, Rate
from tests.applications import running
from tests.factories import make_user
from tests.logs import Log
from tests.raw_requests import application
from tests.sockets import serving

pytestmark = pytest.mark.anyio

router = APIRouter()


@router.websocket("/caller")
async def caller(socket: WebSocket, who: Caller, address: ClientAddress) -> None:
    await socket.accept()
    await socket.send_json([str(who.user_id), socket.app.version, address, current_request_id()])


@router.websocket("/logged-in")
async def logged_in(socket: WebSocket, who: LoggedIn) -> None:
    await socket.accept()


@router.websocket("/scoped")
async def scoped(socket: WebSocket, who: Annotated[Principal, Depends(CallerWith("nothing:anyone:has"))]) -> None:
    await socket.accept()


@router.websocket("/limited", dependencies=[Depends(limited_to("web-socket", Rate(times=1, seconds=600)))])
async def limited(socket: WebSocket) -> None:
    await socket.accept()


@router.websocket("/numbered/{number}")
async def numbered(socket: WebSocket, number: int) -> None:
    await socket.accept()


@router.websocket("/bug")
async def bug(socket: WebSocket, when: str = "before") -> None:
    if when == "after":
        await socket.accept()
    raise KeyError("a bug of the web socket's")


@router.websocket("/rule")
async def rule(socket: WebSocket) -> None:
    await socket.accept()
    raise BusinessRuleError("No more of these.")


@router.websocket("/hangs-up")
async def hangs_up(socket: WebSocket) -> None:
    await socket.accept()
    await socket.close(4000, "enough")
    raise BusinessRuleError("Too late to say.")


@request_cached(lambda: None)
async def token_of_this_message() -> str:
    return uuid.uuid4().hex


@router.websocket("/cached")
async def cached(socket: WebSocket) -> None:
    await socket.accept()
    async for _ in socket.iter_text():
        await socket.send_json([await token_of_this_message(), await token_of_this_message()])


@pytest.fixture
async def api(settings: ApplicationSettings) -> AsyncIterator[AsyncClient]:
    async with running(settings, router) as client:
        yield client


@pytest.fixture
async def address(api: AsyncClient) -> AsyncIterator[str]:
    async with serving(application(api)) as address:
        yield address


@pytest.fixture
async def token(api: AsyncClient) -> str:
    served = application(api)
    assert isinstance(served, FastAPI)
    _, tokens = await make_user()
    return tokens.access_token


def open_socket(address: str, path: str, **headers: str) -> connect:
    given = {name.replace("_", "-"): value for name, value in headers.items()}
    return connect(f"ws://{address}{path}", additional_headers=given)


async def closed(socket: ClientConnection) -> tuple[int | None, str | None]:
    with pytest.raises(ConnectionClosedError):
        await socket.recv()
    return socket.close_code, socket.close_reason


async def requests(log: Log) -> list[dict[str, Any]]:
    """The lines of requests, as soon as there are any: the server may be about to write them."""
    async with asyncio.timeout(30):
        while not (lines := log.events("request")):  # noqa: ASYNC110 — the server waits for no reader of its log
            await asyncio.sleep(0.001)
    return lines


async def test_the_caller_the_process_and_the_address_are_known(address: str, token: str, log: Log) -> None:
    async with open_socket(
        address, "/caller?email=planted", Authorization=f"Bearer {token}", X_Request_ID="well-formed"
    ) as socket:
        said = await socket.recv()
        assert socket.response is not None
        assert socket.response.headers["X-Request-ID"] == "well-formed"

    assert '"127.0.0.1","well-formed"]' in str(said)
    (line,) = await requests(log)
    assert (line["method"], line["path"], line["status"]) == ("WEBSOCKET", "/caller", 101)
    assert line["request_id"] == "well-formed"
    assert line["user_id"]
    assert "planted" not in log.text


async def test_an_api_key_is_no_session_and_has_no_more_scopes_than_its_own(
    address: str, api: AsyncClient, token: str
) -> None:
    new = {"name": "of a program", "scopes": ["users:read"]}
    made = await api.post("/api/v1/users/me/api-keys", json=new, headers={"Authorization": f"Bearer {token}"})
    key = made.json()["key"]

    async with open_socket(address, "/caller", X_API_Key=key):
        pass
    for path in ("/logged-in", "/scoped"):
        with pytest.raises(InvalidStatus) as refused:
            async with open_socket(address, path, X_API_Key=key):
                pass
        assert refused.value.response.status_code == 403


@pytest.mark.parametrize(
    ("path", "status", "code"),
    [
        ("/caller", 401, "AUTHENTICATION_FAILED"),
        ("/scoped", 401, "AUTHENTICATION_FAILED"),
        ("/numbered/one?email=planted", 422, "VALIDATION_ERROR"),
        ("/bug", 500, "INTERNAL_ERROR"),
    ],
)
async def test_a_refused_handshake_says_why(path: str, status: int, code: str, address: str, log: Log) -> None:
    with pytest.raises(InvalidStatus) as refused:
        async with open_socket(address, path):
            pass
    answer = refused.value.response

    assert answer.status_code == status
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert f'"error_code":"{code}"'.encode() in answer.body
    (line,) = await requests(log)
    assert (line["path"], line["status"]) == (path.partition("?")[0], status)
    assert line["request_id"] == answer.headers["X-Request-ID"]
    assert "planted" not in log.text
    assert len(log.events("error")) == (status == 500)


async def test_a_rate_limit_counts_handshakes(address: str) -> None:
    async with open_socket(address, "/limited"):
        pass
    with pytest.raises(InvalidStatus) as refused:
        async with open_socket(address, "/limited"):
            pass

    assert refused.value.response.status_code == 429
    assert int(refused.value.response.headers["Retry-After"]) > 0


@pytest.mark.parametrize(
    ("path", "end", "errors"),
    [
        ("/rule", (1008, "Conflict"), 0),
        ("/bug?when=after", (1011, "Internal Server Error"), 1),
        ("/hangs-up", (4000, "enough"), 0),
    ],
)
async def test_an_open_web_socket_is_closed_by_an_error(
    path: str, end: tuple[int, str], errors: int, address: str, log: Log
) -> None:
    async with open_socket(address, path) as socket:
        assert await closed(socket) == end

    assert [line["status"] for line in await requests(log)] == [101]
    assert len(log.events("error")) == errors


async def test_a_client_that_leaves_is_no_error(address: str, log: Log) -> None:
    async with open_socket(address, "/cached") as socket:
        await socket.send("once")
        await socket.recv()

    assert [line["status"] for line in await requests(log)] == [101]
    assert [line["level"] for line in log.lines if line["level"] not in {"info", "debug"}] == []


async def test_each_message_has_a_request_cache_of_its_own(address: str) -> None:
    async with open_socket(address, "/cached") as socket:
        seen = []
        for _ in range(2):
            await socket.send("again")
            seen.append(str(await socket.recv()).strip("[]").split(","))

    assert all(first == second for first, second in seen)
    assert seen[0] != seen[1]
