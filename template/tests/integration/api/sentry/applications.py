"""The application, reporting to a Sentry of the test's own, and routes that fail in every way."""

import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, ClassVar, Final, NamedTuple

import sentry_sdk
from fastapi import APIRouter
from httpx import AsyncClient
from sqlalchemy import text
from starlette.exceptions import HTTPException

from app.core import monitor
from app.core.config import ApplicationSettings
from app.core.database import get_async_session
from app.core.events import BaseEvent, get_event_bus
from app.core.exceptions import DatabaseQueryError, ExternalServiceError, ResourceNotFoundError
from app.core.http import fetch_with_retry
from tests.applications import running
from tests.logs import Log, captured_log
from tests.servers.sentry import sentry_settings

router = APIRouter(prefix="/lab")

EXPECTED: Final = {
    "missing": ResourceNotFoundError("Note", 7),
    "billing": ExternalServiceError("billing", "is away"),
    "framework": HTTPException(503, "Come back later."),
}


class BellRung(BaseEvent):
    type: ClassVar[str] = "bell.rung"


async def go_deaf(_event: BellRung) -> None:
    monitor.add_breadcrumb("heard the bell")
    raise RuntimeError("too loud")


@router.get("/bugs/{number}")
async def fail(number: int) -> None:
    monitor.set_user(f"user-{number}", email="ada@example.org", username="ada")
    monitor.add_breadcrumb("asked the stock", category="http", data={"status": 502})
    logging.getLogger("lab").error("the stock is empty")
    try:
        [][number]
    except IndexError as err:
        raise RuntimeError("nothing in stock") from err


@router.get("/queries")
async def fail_to_query() -> None:
    raise DatabaseQueryError("The server refused a statement.", operation="notes.read", details={"table": "notes"})


@router.get("/expected/{name}")
async def refuse(name: str) -> None:
    raise EXPECTED[name]


@router.get("/bell")
async def ring() -> None:
    await get_event_bus().publish(BellRung())


@router.get("/messages")
async def say() -> None:
    monitor.capture_message("the quota is nearly used up", "warning", context={"left": 3})


@router.get("/documented")
async def call_the_sdk() -> None:
    sentry_sdk.capture_message("by the SDK itself")


@router.get("/work")
async def work(url: str) -> None:
    async with get_async_session() as session:
        await (await session.orm()).execute(text("SELECT CAST(:given AS text)"), {"given": url})
    with monitor.trace("report.render"):
        await fetch_with_retry("GET", url, service="stock")
        monitor.capture_message("half-way")


class Reporting(NamedTuple):
    """A client of the application, and what that logs."""

    client: AsyncClient
    log: Log


@asynccontextmanager
async def reporting(
    settings: ApplicationSettings, url: str, *routers: APIRouter, **sentry: Any
) -> AsyncIterator[Reporting]:
    """The application. When the context ends, what it reported has been sent."""
    reports = sentry_settings(url, **sentry)
    # An application sets logging up for itself when it is made.
    async with running(settings.model_copy(update={"sentry": reports}), router, *routers) as client:
        with captured_log() as log:
            get_event_bus().subscribe(BellRung, go_deaf)
            yield Reporting(client, log)
