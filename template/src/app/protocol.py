"""HTTP with bounds: uvicorn and its parser limit neither the size of a request's head nor the time a client takes.

One connection could otherwise send a header of 200 MB, or half a header and nothing more, without any credentials. The
rates are Apache's (mod_reqtimeout: `header=20 body=20,MinRate=500`).
"""

import asyncio
from typing import ClassVar

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

_NEVER = float("inf")


class BoundedHttpProtocol(HttpToolsProtocol):
    """A connection with limits; one that exceeds them is answered, if it still can be, and closed."""

    # Of the request line, of the headers, and of the trailers of a chunked body.
    max_head_bytes: ClassVar[int] = 65_536
    # For a request; its body extends it, and so must have this average rate.
    patience_seconds: ClassVar[float] = 20.0
    body_bytes_per_second: ClassVar[int] = 500
    # The time in which a client must take some of its answer.
    write_seconds: ClassVar[float] = 30.0
    check_seconds: ClassVar[float] = 5.0

    # The end of the client's time: to send a request or, between requests, to begin one.
    _deadline = _NEVER
    _head_complete = False
    _message_complete = True
    _head_bytes = 0
    # Bytes that the parser has taken without a callback: a header that goes on and on.
    _silent_bytes = 0
    _unread_since: float | None = None
    _check: asyncio.TimerHandle

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin to wait for the first request."""
        super().connection_made(transport)
        self._wait(self.patience_seconds)
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
        self._silent_bytes += len(data)
        super().data_received(data)
        if self._silent_bytes > self.max_head_bytes:
            self._refuse(431)

    def on_message_begin(self) -> None:
        """Count a request's head from its first byte."""
        self._head_complete = self._message_complete = False
        self._head_bytes = self._silent_bytes = 0
        self._wait(self.patience_seconds)
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
        """Begin to count trailers."""
        self._head_complete = True
        self._head_bytes = self._silent_bytes = 0
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
        """Limit the time for the next request, or for the rest of a body that has been answered already."""
        super().on_response_complete()
        if self._is_idle:
            self._wait(self.timeout_keep_alive if self._message_complete else self.patience_seconds)

    def pause_writing(self) -> None:
        """Note that the client has stopped reading."""
        self._unread_since = self.loop.time()
        super().pause_writing()

    def resume_writing(self) -> None:
        """Note that the client reads again."""
        self._unread_since = None
        super().resume_writing()

    def send_400_response(self, msg: str) -> None:  # noqa: ARG002 — the status says it
        """Answer a request that cannot be parsed."""
        self._refuse(400)

    @property
    def _is_idle(self) -> bool:
        """True before the first request, and after the answer to each."""
        return self.cycle is None or self.cycle.response_complete  # type: ignore[redundant-expr]

    def _wait(self, seconds: float) -> None:
        self._deadline = self.loop.time() + seconds

    def _count(self, count: int, refusal: int) -> None:
        self._silent_bytes = 0
        self._head_bytes += count
        if self._head_bytes > self.max_head_bytes:
            self._refuse(refusal)
            # Stops the parser.
            raise ValueError(refusal)

    def _refuse(self, status: int) -> None:
        # Half an answer cannot become another one, and one is enough.
        if not self.transport.is_closing() and (self._is_idle or not self.cycle.response_started):
            self.transport.write(STATUS_LINE[status] + b"content-length: 0\r\nconnection: close\r\n\r\n")
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
        elif now >= self._deadline and self._message_complete:
            # A client that has sent nothing, such as a browser that connects in advance, awaits no answer.
            self.transport.close()
        elif now >= self._deadline:
            self._refuse(408)
