"""The context of a request or a web socket: its id, on each line logged for it and in its answer, and its cache."""

import os
import re
from functools import partial
from typing import Final

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.core import monitor
from app.core.cache import RequestCache

REQUEST_ID_HEADER: Final = "X-Request-ID"
# Messages that carry the headers of an answer.
_ANSWERS: Final = ("http.response.start", "websocket.accept", "websocket.http.response.start")
_HEADER: Final = REQUEST_ID_HEADER.lower().encode()
# An id that a caller chose: nothing that could forge a log line or a header.
_ACCEPTABLE: Final = re.compile(rb"[A-Za-z0-9._-]{8,128}")
# W3C Trace Context, 3.2: version (not ff), trace id and parent id (neither all zeros), flags.
_TRACEPARENT: Final = re.compile(rb"(?!ff)[0-9a-f]{2}-(?!0{32})([0-9a-f]{32})-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}")


class RequestContextMiddleware:
    """Takes the caller's `X-Request-ID` if it is well-formed, else makes one; takes the trace id from `traceparent`.

    Functions under `@request_cached` have one cache for a request, its background tasks included, and one for each
    message of a web socket.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self.app(scope, receive, send)
            return
        request_id: str | None = None
        context: dict[str, str] = {}
        for name, value in scope["headers"]:
            if name == _HEADER and _ACCEPTABLE.fullmatch(value):
                request_id = value.decode("ascii")
            elif name == b"traceparent" and (trace := _TRACEPARENT.fullmatch(value)):
                context["trace_id"] = trace[1].decode("ascii")
        context["request_id"] = request_id = request_id or os.urandom(16).hex()
        header = (_HEADER, request_id.encode("ascii"))

        async def send_with_id(message: Message) -> None:
            if message["type"] in _ANSWERS:
                message["headers"] = [*message.get("headers", ()), header]
            await send(message)

        with monitor.request_scope(context), RequestCache() as cache:
            if scope["type"] == "websocket":
                receive = partial(_receive_anew, receive, cache)
            await self.app(scope, receive, send_with_id)


async def _receive_anew(receive: Receive, cache: RequestCache) -> Message:
    message = await receive()
    cache.clear()
    return message
