"""HTTP with bounds: uvicorn and its parser limit neither the size of a request's head nor the time a client takes.

One connection could otherwise send a header of 200 MB, or half a header and nothing more, without any credentials. The
rates are Apache's (mod_reqtimeout: `header=20 body=20,MinRate=500`).
"""

import asyncio
import json
from http import HTTPStatus
from typing import ClassVar

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

_NEVER = float("inf")
_CODES = {414: "URI_TOO_LONG"}  # Python's versions disagree on its name


class BoundedHttpProtocol(HttpToolsProtocol):
    """A connection with limits; one that exceeds them is answered, if it still can be, and closed."""

    # Of the request line, of the headers, and of the trailers of a chunked body.
    max_head_bytes: ClassVar[int] = 65_536
    # For the head of a request, and the head start of its body; after that, the body must have this average rate.
    patience_seconds: ClassVar[float] = 20.0
    body_bytes_per_second: ClassVar[int] = 500
    # The time in which a client must take some of its answer.
    write_seconds: ClassVar[float] = 30.0
    # The time for which further bytes are read and dropped after a refusal.
    linger_seconds: ClassVar[float] = 2.0
    check_seconds: ClassVar[float] = 5.0

    # The end of the time for the request that the client is sending; between requests, keep-alive counts instead.
    _deadline = _NEVER
    _has_spoken = False
    _refused = False
    _head_complete = False
    _message_complete = True
    _head_bytes = 0
    # Bytes that the parser has taken without a callback: a header that goes on and on.
    _silent_bytes = 0
    _unread_since: float | None = None
    _refusal = 400
    _check: asyncio.TimerHandle

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin to wait for the first request."""
        super().connection_made(transport)
        self._restart_clock()
        self._check = self.loop.call_later(self.check_seconds, self._look)

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop the checks."""
        self._check.cancel()
        super().connection_lost(exc)

    def handle_websocket_upgrade(self) -> None:
        """Hand the connection over to another protocol, which has limits of its own."""
        self._check.cancel()
        super().handle_websocket_upgrade()

    def data_received(self, data: bytes) -> None:
        """Feed the parser, and count the bytes that it reports nothing about."""
        if self._refused:
            return
        self._silent_bytes += len(data)
        super().data_received(data)
        if self._silent_bytes and self._message_complete and self._is_idle and self._deadline == _NEVER:
            # Line breaks that begin nothing have ended keep-alive's timer.
            self._restart_clock()
        if self._silent_bytes > self.max_head_bytes and not self.transport.is_closing():
            self._refuse(431)

    def on_message_begin(self) -> None:
        """Count a request's head from its first byte."""
        self._has_spoken = True
        self._head_complete = self._message_complete = False
        self._head_bytes = self._silent_bytes = 0
        self._restart_clock()
        super().on_message_begin()

    def on_url(self, url: bytes) -> None:
        """Count a part of the request line."""
        self._count(len(url), 414)
        super().on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        """Count a header or a trailer. Trailers go no further: they would be added to headers already believed."""
        self._count(len(name) + len(value) + 4, 431)
        if not self._head_complete:
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """Start the time of the body, and the size of the trailers."""
        self._head_complete = True
        self._head_bytes = self._silent_bytes = 0
        self._restart_clock()
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """Extend the time of a body that arrives, until it has been answered."""
        self._silent_bytes = 0
        if not self._is_idle:
            self._deadline += len(body) / self.body_bytes_per_second
        super().on_body(body)

    def on_message_complete(self) -> None:
        """End the client's time: the rest is the application's."""
        self._silent_bytes = 0
        self._message_complete = True
        self._deadline = _NEVER
        super().on_message_complete()

    def on_response_complete(self) -> None:
        """Limit the time for the rest of a body that has been answered already."""
        super().on_response_complete()
        if not self._message_complete:
            self._deadline = min(self._deadline, self.loop.time() + self.patience_seconds)

    def pause_writing(self) -> None:
        """Note that the client has stopped reading."""
        self._unread_since = self.loop.time()
        super().pause_writing()

    def resume_writing(self) -> None:
        """Note that the client reads again."""
        self._unread_since = None
        super().resume_writing()

    def send_400_response(self, msg: str) -> None:  # noqa: ARG002 — the parser's words say less than ours
        """Answer a request that cannot be parsed, or that a callback of the parser has refused."""
        self._refuse(self._refusal)

    @property
    def _is_idle(self) -> bool:
        """True before the first request, and after the answer to each."""
        return self.cycle is None or self.cycle.response_complete  # type: ignore[redundant-expr]

    def _restart_clock(self) -> None:
        self._deadline = self.loop.time() + self.patience_seconds

    def _count(self, count: int, refusal: int) -> None:
        self._silent_bytes = 0
        self._head_bytes += count
        if self._head_bytes > self.max_head_bytes:
            self._refusal = refusal
            # Stops the parser; uvicorn then calls `send_400_response`.
            raise ValueError(refusal)

    def _refuse(self, status: int) -> None:
        # Half an answer cannot become another one.
        if self._is_idle or not self.cycle.response_started:
            known = HTTPStatus(status)
            problem = {"type": "about:blank", "title": known.phrase, "status": status, "detail": known.description}
            body = json.dumps({**problem, "error_code": _CODES.get(status, known.name)}).encode()
            head = b"content-type: application/problem+json\r\ncontent-length: %d\r\nconnection: close\r\n\r\n"
            self.transport.write(STATUS_LINE[status] + head % len(body) + body)
        if self._is_idle and self.transport.can_write_eof():
            # Closed with something unread, the connection would be reset, and the answer lost with it (RFC 9112, 9.6).
            self._refused = True
            self._deadline = self.loop.time() + self.linger_seconds
            self.transport.write_eof()
        else:
            self.transport.close()

    def _look(self) -> None:
        """Close the connection of a client that is late, else check again later."""
        now = self.loop.time()
        self._check = self.loop.call_later(self.check_seconds, self._look)
        if self.transport.is_closing():
            # The rest of the answer has its own time to be read.
            self._unread_since = self._unread_since or now
        elif self.flow.read_paused or (not self._is_idle and self.cycle.waiting_for_100_continue):
            # The body waits for the application.
            self._deadline = max(self._deadline, now + self.patience_seconds)
        if self._unread_since is not None and now - self._unread_since >= self.write_seconds:
            self.transport.abort()
        elif now >= self._deadline and not self.transport.is_closing():
            if self._has_spoken and not self._refused:
                self._refuse(408)
            else:
                # A client that has sent nothing, such as a browser that connects in advance, awaits no answer.
                self.transport.close()
