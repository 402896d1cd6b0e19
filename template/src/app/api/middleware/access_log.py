"""One line per request, when its answer has been sent."""

import time
from typing import Final

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.core.logging import get_logger, log_request

logger = get_logger("app.access")

# Probes ask every few seconds for ever; a failing one is logged by the check that failed.
_QUIET: Final = (b"/api/v1/health/live", b"/api/v1/health/ready")
# The client went away before there was an answer; nginx's number for it, which nobody was sent.
_CLIENT_CLOSED_REQUEST: Final = 499


class AccessLogMiddleware:
    """Logs method, path, status and duration; never the query string, which may hold personal data."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["raw_path"] in _QUIET:
            await self.app(scope, receive, send)
            return
        began = time.perf_counter()
        status = _CLIENT_CLOSED_REQUEST

        async def send_and_note(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self.app(scope, receive, send_and_note)
        finally:
            # The path as it came, percent-encoded: a decoded line break would forge a line of the log.
            path = scope["raw_path"].decode("ascii", "backslashreplace")
            duration_ms = (time.perf_counter() - began) * 1000
            log_request(logger, scope["method"], path, status, duration_ms=duration_ms)
