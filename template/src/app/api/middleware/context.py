"""The context of a request or a web socket: its id, its cache, and its line in the log."""

import os
import re
import time
from collections.abc import Iterable
from functools import partial
from http import HTTPStatus
from typing import Final

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.core import monitor
from app.core.cache import RequestCache
from app.core.logging import get_logger, log_request, request_scope
from app.core.telemetry import current_trace_id

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


class RequestContextMiddleware:
    """Takes the caller's `X-Request-ID` if it is well-formed, else makes one; takes the trace id from `traceparent`.

    Functions under `@request_cached` have one cache for a request, its background tasks included, and one for each
    message of a web socket. The line has method, path, status and duration, but not the query string, which may hold
    personal data; it is written when the answer has been sent, or when the web socket has ended.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self.app(scope, receive, send)
            return
        began = time.perf_counter()
        status = CLIENT_CLOSED_REQUEST
        context = _context_of(scope["headers"])
        if trace_id := current_trace_id():
            context["trace_id"] = trace_id
        header = (_HEADER, context["request_id"].encode("ascii"))

        async def send_with_id(message: Message) -> None:
            nonlocal status
            match message["type"]:
                case "http.response.start" | "websocket.accept" | "websocket.http.response.start":
                    status = message.get("status", HTTPStatus.SWITCHING_PROTOCOLS.value)
                    message["headers"] = [*message.get("headers", ()), header]
                case "websocket.close" if status == CLIENT_CLOSED_REQUEST:
                    # Closed before it was accepted: servers answer with this (ASGI, "Close").
                    status = HTTPStatus.FORBIDDEN.value
            await send(message)

        around = request_scope.set(scope)
        with monitor.request_scope(context), RequestCache() as cache:
            if scope["type"] == "websocket":
                receive = partial(_receive_anew, receive, cache)
            try:
                await self.app(scope, receive, send_with_id)
            finally:
                request_scope.reset(around)
                if scope["raw_path"] not in PROBES:
                    # The path as it came, percent-encoded: a decoded line break would forge a line of the log.
                    path = scope["raw_path"].decode("ascii", "backslashreplace")
                    duration_ms = (time.perf_counter() - began) * 1000
                    log_request(logger, scope.get("method", "WEBSOCKET"), path, status, duration_ms=duration_ms)


def _context_of(headers: Iterable[tuple[bytes, bytes]]) -> dict[str, str]:
    context: dict[str, str] = {}
    for name, value in headers:
        if name == _HEADER and _ACCEPTABLE.fullmatch(value):
            context["request_id"] = value.decode("ascii")
        elif name == b"traceparent" and (trace := _TRACEPARENT.fullmatch(value)):
            context["trace_id"] = trace[1].decode("ascii")
    context.setdefault("request_id", os.urandom(16).hex())
    return context


async def _receive_anew(receive: Receive, cache: RequestCache) -> Message:
    message = await receive()
    cache.clear()
    return message
