"""Starting and stopping, which are no requests, go through all of the middleware as they are."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from fastapi import FastAPI
from starlette.types import Message

from app.api.middleware import install_middleware
from app.core.config import SecuritySettings
from tests.factories import make_settings
from tests.logs import Log

pytestmark = pytest.mark.anyio


async def test_starting_and_stopping_are_no_requests(log: Log) -> None:
    states = []

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        states.append("started")
        yield
        states.append("stopped")

    app = FastAPI(lifespan=lifespan)
    install_middleware(app, make_settings(security=SecuritySettings(cors_origins=("https://app.example.org",))))
    coming = iter([{"type": "lifespan.startup"}, {"type": "lifespan.shutdown"}])
    sent: list[Message] = []

    async def receive() -> Message:
        return next(coming)

    async def send(message: Message) -> None:
        sent.append(message)

    await app({"type": "lifespan", "asgi": {"version": "3.0"}, "state": {}}, receive, send)

    assert [message["type"] for message in sent] == ["lifespan.startup.complete", "lifespan.shutdown.complete"]
    assert states == ["started", "stopped"]
    assert log.events("request") == []
