"""One line per request when its answer has been sent, and per web socket when it has ended."""

import time
from http import HTTPStatus
from typing import Final

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.core.logging import get_logger, log_request

logger = get_logger("app.access")

# Probes come every few seconds; a check that fails is logged by itself.
PROBES: Final = (b"/api/v1/health/live", b"/api/v1/health/ready")
# The client went away before there was an answer; nginx's number for it, which is never sent.
_CLIENT_CLOSED_REQUEST: Final = 499


class AccessLogMiddleware:
    """Logs method, path, status and duration, but not the query string, which may hold personal data."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan" or scope["raw_path"] in PROBES:
            await self.app(scope, receive, send)
            return
        began = time.perf_counter()
        status = _CLIENT_CLOSED_REQUEST

        async def send_and_note(message: Message) -> None:
            nonlocal status
            match message["type"]:
                case "http.response.start" | "websocket.http.response.start":
                    status = message["status"]
                case "websocket.accept":
                    status = HTTPStatus.SWITCHING_PROTOCOLS.value
                case "websocket.close" if status == _CLIENT_CLOSED_REQUEST:
                    # Closed before it was accepted: servers answer with this (ASGI, "Close").
                    status = HTTPStatus.FORBIDDEN.value
            await send(message)

        try:
            await self.app(scope, receive, send_and_note)
        finally:
            # The path as it came, percent-encoded: a decoded line break would forge a line of the log.
            path = scope["raw_path"].decode("ascii", "backslashreplace")
            duration_ms = (time.perf_counter() - began) * 1000
            log_request(logger, scope.get("method", "WEBSOCKET"), path, status, duration_ms=duration_ms)
