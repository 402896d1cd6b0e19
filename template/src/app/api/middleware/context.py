"""The context of a request or a web socket: its id, cache, line in the log, metric and span; headers for browsers."""

import os
import re
import time
from collections.abc import Iterable
from contextlib import nullcontext
from http import HTTPMethod, HTTPStatus
from typing import TYPE_CHECKING, Final

from fastapi.telemetry import TelemetryConfig
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.core import monitor
from app.core.cache import RequestCache
from app.core.logging import get_logger, log_request, request_scope
from app.core.telemetry import Histogram, current_trace_id

if TYPE_CHECKING:
    from app.core.telemetry.opentelemetry import Traces

logger = get_logger("app.access")

REQUEST_ID_HEADER: Final = "X-Request-ID"
# Probes come every few seconds and are not logged; a check that fails is logged by itself.
PROBES: Final = (b"/api/v1/health/live", b"/api/v1/health/ready")
# The client went away before there was an answer; nginx's number for it, which is never sent.
CLIENT_CLOSED_REQUEST: Final = 499
_HEADER: Final = REQUEST_ID_HEADER.lower().encode()
# An id that a caller chose: nothing that could forge a log line or a header.
_ACCEPTABLE: Final = re.compile(rb"[A-Za-z0-9._-]{8,128}")
# W3C Trace Context, 3.2: version (not ff), trace id and parent id (neither all zeros), flags.
_TRACEPARENT: Final = re.compile(rb"(?!ff)[0-9a-f]{2}-(?!0{32})([0-9a-f]{32})-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}")

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
# For browsers (OWASP REST Security Cheat Sheet, "Security headers").
_FOR_BROWSERS: Final = (
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"no-referrer"),
    # Data is never a page: a browser that is tricked into rendering it may load and run nothing. A page says for itself
    # what it loads.
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),
    (b"cache-control", b"no-store"),
)


class RequestContextMiddleware:
    """Takes the caller's `X-Request-ID` if it is well-formed, else makes one; takes the trace id from `traceparent`.

    Functions under `@request_cached` have one cache for a request, its background tasks included; on a web socket they
    run each time. The line has method, path, status and duration, but not the query string, which may hold personal
    data; it is written when the answer has been sent, or when the web socket has ended. Of the headers for browsers,
    those that a route has set itself stay as they are.

    Args:
        counts: Count requests for Prometheus, by their route's template: callers cannot make new ones.
        hsts_seconds: The time for which browsers insist on TLS; 0 leaves the header out.
        root_path: The prefix under which a proxy publishes the application; it may have taken it off the path or not.
    """

    def __init__(self, app: ASGIApp, *, counts: bool, hsts_seconds: int, root_path: str) -> None:
        self.app = app
        self.counts = counts
        self.root_path = root_path
        hsts = (b"strict-transport-security", b"max-age=%d; includeSubDomains" % hsts_seconds)
        self._headers = (*_FOR_BROWSERS, hsts) if hsts_seconds else _FOR_BROWSERS

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self.app(scope, receive, send)
            return
        if self.root_path:
            scope["root_path"] = self.root_path
        began = time.perf_counter()
        status = CLIENT_CLOSED_REQUEST
        context = _context_of(scope["headers"])
        if trace_id := current_trace_id():
            context["trace_id"] = trace_id
        request_id = (_HEADER, context["request_id"].encode("ascii"))

        async def send_with_headers(message: Message) -> None:
            nonlocal status
            match message["type"]:
                case "http.response.start" | "websocket.accept" | "websocket.http.response.start":
                    # The acceptance of a web socket carries no status.
                    status = message.get("status", HTTPStatus.SWITCHING_PROTOCOLS.value)
                    headers = list(message.get("headers", ()))
                    present = {name for name, _ in headers}
                    missing = (header for header in self._headers if header[0] not in present)
                    message["headers"] = [*headers, request_id, *missing]
                case "websocket.close" if status == CLIENT_CLOSED_REQUEST:
                    # Closed before it was accepted: servers answer with this (ASGI, "Close").
                    status = HTTPStatus.FORBIDDEN.value
            await send(message)

        around = request_scope.set(scope)
        is_request = scope["type"] == "http"
        with monitor.request_scope(context), RequestCache() if is_request else nullcontext():
            try:
                await self.app(scope, receive, send_with_headers)
            finally:
                request_scope.reset(around)
                if scope["raw_path"] not in PROBES:
                    # The path as it came, percent-encoded: a decoded line break would forge a line of the log.
                    path = scope["raw_path"].decode("ascii", "backslashreplace")
                    method, seconds = scope.get("method", "WEBSOCKET"), time.perf_counter() - began
                    log_request(logger, method, path, status, duration_ms=seconds * 1000)
                    if self.counts and is_request:
                        route = getattr(scope.get("route"), "path", "none")
                        REQUESTS.observe(seconds, method if method in _METHODS else "other", route, str(status))


def _context_of(headers: Iterable[tuple[bytes, bytes]]) -> dict[str, str]:
    context: dict[str, str] = {}
    for name, value in headers:
        if name == _HEADER and _ACCEPTABLE.fullmatch(value):
            context["request_id"] = value.decode("ascii")
        elif name == b"traceparent" and (trace := _TRACEPARENT.fullmatch(value)):
            context["trace_id"] = trace[1].decode("ascii")
    context.setdefault("request_id", os.urandom(16).hex())
    return context


def request_spans(traces: "Traces | None") -> TelemetryConfig:
    """Return what has FastAPI make a span of each request but probes; where traces are off, it looks for nothing."""
    return {
        "tracing": traces is not None,
        "tracer_provider": traces.provider if traces else None,
        "metrics": False,
        "logs": False,
        # Of each dependency: more spans than statements.
        "operation_spans": False,
        "exclude": lambda scope: scope["raw_path"] in PROBES,
    }
