"""Applications of a test's own, beside the one that all tests share."""

import asyncio
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any

import pytest
import uvicorn
from fastapi import APIRouter, FastAPI
from httpx import ASGITransport, AsyncClient

from app.core import process
from app.core.config import ApplicationSettings
from app.main import create_app
from tests.logs import logging_as_it_was


@contextmanager
def process_of_its_own() -> Iterator[None]:
    """Share neither the process's objects nor its logging with an application outside.

    One that begins inside, as a fixture of the session may, goes on when this ends.
    """
    outside = process._open[:]
    process._open.clear()
    try:
        with logging_as_it_was():
            yield
    finally:
        process._open[:0] = outside


@contextmanager
def process_with(*objects: object) -> Iterator[None]:
    """Have these objects in place of the process's own of their types."""
    inner = process.Process()
    for each in objects:
        inner.add(each)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(process, "_open", [*process._open, inner])
        yield


@asynccontextmanager
async def running(settings: ApplicationSettings, *routers: APIRouter) -> AsyncIterator[AsyncClient]:
    """A client of an application with these routes besides its own, and with everything of its own."""
    with process_of_its_own():
        app = create_app(settings)
        for router in routers:
            app.include_router(router)
        async with (
            app.router.lifespan_context(app),
            AsyncClient(transport=ASGITransport(app), base_url="http://test") as client,
        ):
            yield client


def application(client: AsyncClient) -> FastAPI:
    """Return the application that a client in this process calls."""
    return client._transport.app  # type: ignore[attr-defined,no-any-return]


@asynccontextmanager
async def served(app: FastAPI, on: socket.socket | None = None, **server_options: Any) -> AsyncIterator[str]:
    """The application, which has been started, on a socket. Its lifespan is not this server's."""
    with on or socket.create_server(("127.0.0.1", 0)) as listening:
        server = uvicorn.Server(
            uvicorn.Config(app, lifespan="off", log_config=None, access_log=False, **server_options)
        )
        serving = asyncio.create_task(server.serve(sockets=[listening]))
        try:
            yield f"http://127.0.0.1:{listening.getsockname()[1]}"
        finally:
            server.should_exit = True
            await serving
