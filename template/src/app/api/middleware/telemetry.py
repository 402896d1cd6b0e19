"""Requests by their routes: counted and timed for Prometheus, and as spans of FastAPI's own."""

import time
from http import HTTPMethod
from typing import TYPE_CHECKING, Final

from fastapi.telemetry import TelemetryConfig
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.api.middleware.context import CLIENT_CLOSED_REQUEST, PROBES
from app.core.telemetry import Histogram

if TYPE_CHECKING:
    from app.core.telemetry.opentelemetry import Traces

REQUESTS: Final = Histogram(
    "app_http_request_duration_seconds",
    "Requests by method, route and status, and the time to the end of their answers.",
    "method",
    "route",
    "status",
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10),
)
# A caller may write any word.
_METHODS: Final = frozenset(HTTPMethod)


class MetricsMiddleware:
    """Counts every request but probes. The route is its template, so that callers cannot make new ones."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["raw_path"] in PROBES:
            await self.app(scope, receive, send)
            return
        began = time.perf_counter()
        status = CLIENT_CLOSED_REQUEST

        async def send_and_note(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self.app(scope, receive, send_and_note)
        finally:
            method = scope["method"] if scope["method"] in _METHODS else "other"
            route = getattr(scope.get("route"), "path", "none")
            REQUESTS.observe(time.perf_counter() - began, method, route, str(status))


def request_spans(traces: "Traces | None") -> TelemetryConfig | None:
    """Return what has FastAPI make a span of each request but probes; None where traces are off."""
    if traces is None:
        return None
    return {
        "tracer_provider": traces.provider,
        "metrics": False,
        "logs": False,
        # Of each dependency: more spans than statements.
        "operation_spans": False,
        "exclude": lambda scope: scope["raw_path"] in PROBES,
    }
