"""The application as `app dev` runs it, in a process that is replaced whenever a file changes."""

import asyncio
import multiprocessing
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI

from app import asgi
from app.core.config import get_settings

# How long jobs under way may take when a file has changed; what has not finished is run again.
_GRACE_SECONDS = 5.0


def create_app() -> FastAPI:
    """Return the application with a worker beside it, in a process that ends with the one that watches the files."""
    app = asgi.create_app()
    if get_settings().mail.backend == "files":
        # Not by the worker, whose process imports this module, too.
        from devtools.mailbox import router as mailbox  # noqa: PLC0415

        app.include_router(mailbox)
    serving = app.router.lifespan_context

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with serving(app):
            # A process of its own, with the code as it is now.
            worker = multiprocessing.get_context("spawn").Process(target=run_worker, name="worker")
            worker.start()
            try:
                yield
            finally:
                worker.terminate()
                await asyncio.to_thread(worker.join, _GRACE_SECONDS)
                worker.kill()

    app.router.lifespan_context = lifespan
    return app


def run_worker() -> None:
    """Run jobs beside the server, in a process that ends with it."""
    # The server needs no commands.
    from app.cli.serve import work  # noqa: PLC0415

    asgi.stop_with_supervisor()
    work(get_settings())
