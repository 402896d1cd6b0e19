"""Applications of a test's own, beside the one that all tests share."""

import asyncio
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from importlib import import_module
from pathlib import Path

import pytest
import uvicorn
from fastapi import APIRouter, FastAPI
from httpx import ASGITransport, AsyncClient

from app import core
from app.core.config import ApplicationSettings
from app.main import create_app
from tests.logs import logging_as_it_was

# Each holds one object of the process, which two applications in one process must not share.
LIFECYCLES = tuple(
    import_module(f"app.core.{path.parent.name}.lifecycle") for path in Path(core.__path__[0]).glob("*/lifecycle.py")
)


@contextmanager
def lifecycles_of_its_own() -> Iterator[None]:
    """Whatever application starts in here shares neither objects of the process nor logging with one outside."""
    with pytest.MonkeyPatch.context() as patch, logging_as_it_was():
        for lifecycle in LIFECYCLES:
            patch.setattr(lifecycle._current, "value", None)
        yield


@asynccontextmanager
async def running(settings: ApplicationSettings, *routers: APIRouter) -> AsyncIterator[AsyncClient]:
    """A client of an application with these routes besides its own, and with everything of its own."""
    with lifecycles_of_its_own():
        app = create_app(settings)
        for router in routers:
            app.include_router(router)
        async with (
            app.router.lifespan_context(app),
            AsyncClient(transport=ASGITransport(app), base_url="http://test") as client,
        ):
            yield client


@asynccontextmanager
async def served(app: FastAPI) -> AsyncIterator[str]:
    """The application, which has been started, on a socket. Its lifespan is not this server's."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        server = uvicorn.Server(uvicorn.Config(app, lifespan="off", log_config=None))
        serving = asyncio.create_task(server.serve(sockets=[listening]))
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
        server.should_exit = True
        await serving
