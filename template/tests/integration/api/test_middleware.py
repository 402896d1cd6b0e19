"""What is no HTTP request goes through all of the middleware as it is."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from fastapi import FastAPI, WebSocket
from starlette.types import Message

from app.api.middleware import install_middleware
from app.core.config import ApiSettings, SecuritySettings
from app.core.logging import current_request_id
from tests.factories import make_settings
from tests.logs import Log

pytestmark = pytest.mark.anyio

LIMIT = 1024
LONG = "x" * (LIMIT + 1)


@pytest.fixture
def states() -> list[str]:
    return []


@pytest.fixture
def wrapped(states: list[str]) -> FastAPI:
    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        states.append("started")
        yield
        states.append("stopped")

    app = FastAPI(lifespan=lifespan)
    security = SecuritySettings(cors_origins=("https://app.example.org",), hsts_seconds=600)
    install_middleware(app, make_settings(api=ApiSettings(max_body_bytes=LIMIT), security=security))

    @app.websocket("/echo")
    async def echo(socket: WebSocket) -> None:
        await socket.accept()
        await socket.send_text(f"{current_request_id()} {await socket.receive_text()}")

    @app.websocket("/bug")
    async def bug(socket: WebSocket) -> None:
        raise KeyError("a bug of the web socket's")

    return app


async def exchange(app: FastAPI, scope: dict[str, Any], *messages: Message) -> list[Message]:
    """What the application sends to a server from which it gets these messages."""
    sent: list[Message] = []
    coming = iter(messages)

    async def receive() -> Message:
        return next(coming)

    async def send(message: Message) -> None:
        sent.append(message)

    await app({"asgi": {"version": "3.0"}, **scope}, receive, send)
    return sent


def handshake(path: str) -> dict[str, Any]:
    headers = [(b"content-length", str(len(LONG)).encode()), (b"x-request-id", b"well-formed")]
    return {
        "type": "websocket",
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "root_path": "",
        "headers": headers,
        "subprotocols": [],
    }


async def test_a_web_socket_is_neither_limited_nor_given_headers_nor_logged(wrapped: FastAPI, log: Log) -> None:
    sent = await exchange(
        wrapped, handshake("/echo"), {"type": "websocket.connect"}, {"type": "websocket.receive", "text": LONG}
    )

    assert sent == [
        {"type": "websocket.accept", "subprotocol": None, "headers": []},
        {"type": "websocket.send", "text": f"None {LONG}"},
    ]
    assert log.events("request") == []


async def test_a_broken_web_socket_is_the_servers_to_close(wrapped: FastAPI) -> None:
    """An HTTP answer would be no answer to it."""
    with pytest.raises(KeyError, match="a bug of the web socket's"):
        await exchange(wrapped, handshake("/bug"), {"type": "websocket.connect"})


async def test_starting_and_stopping_are_no_requests(wrapped: FastAPI, states: list[str], log: Log) -> None:
    phases = ["lifespan.startup", "lifespan.shutdown"]

    sent = await exchange(wrapped, {"type": "lifespan", "state": {}}, *({"type": phase} for phase in phases))

    assert [message["type"] for message in sent] == [f"{phase}.complete" for phase in phases]
    assert states == ["started", "stopped"]
    assert log.events("request") == []
