"""Clients that no server wishes for: each function is one, over a socket of its own."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from itertools import chain, repeat

HOST = b"Host: localhost\r\n"
CHUNKED = b"POST /api/v1/auth/login HTTP/1.1\r\n" + HOST + b"Transfer-Encoding: chunked\r\n"
SIZED = CHUNKED.replace(b"Transfer-Encoding: chunked", b"Content-Length: 999")
JSON = b"Content-Type: application/json\r\n\r\n"
MEBIBYTE = b"a" * 1_048_576
# More than any server should take in, and little enough for a test.
ENDLESS = 64
UPGRADE = (
    b"GET /api/v1/items HTTP/1.1\r\n"
    + HOST
    + b"Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
    + b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
)


def at_once(*parts: bytes) -> Iterator[bytes]:
    """Send everything, then wait for whatever the server does."""
    yield from parts


def trickled(head: bytes) -> Iterator[bytes]:
    """Send a head, then a byte every half a second."""
    yield head
    for byte in repeat(b"a", 240):
        time.sleep(0.5)
        yield byte


def line_breaks() -> Iterator[bytes]:
    """Send line breaks, which begin no request, for two minutes."""
    for end in repeat(b"\r\n", 240):
        yield end
        time.sleep(0.5)


def chunks(head: bytes) -> Iterator[bytes]:
    """Send a chunked body without an end, for two minutes at most."""
    yield head
    until = time.monotonic() + 120
    while time.monotonic() < until:
        yield b"10000\r\n" + MEBIBYTE[:65_536] + b"\r\n"
        time.sleep(0.01)


# What is sent, and the status of the answer; None: the connection is closed without one. A client
# that is still sending when the connection is closed may lose the answer (RFC 9112, 9.6).
SENDERS: dict[str, tuple[Callable[[], Iterator[bytes]], int | None]] = {
    "says nothing": (at_once, None),
    "sends line breaks": (line_breaks, None),
    "sends half a head": (lambda: at_once(b"GET / HTTP/1.1\r\nHost: local"), 408),
    "trickles a header": (lambda: trickled(b"GET / HTTP/1.1\r\nX-Long: "), 408),
    "trickles an address": (lambda: trickled(b"GET /"), 408),
    "sends half a body": (lambda: at_once(CHUNKED + JSON, b'5\r\n{"ema'), 408),
    "trickles a body": (lambda: trickled(SIZED + JSON), 408),
    "sends an endless address": (lambda: chain([b"GET /"], repeat(MEBIBYTE, ENDLESS)), 414),
    "sends an endless header": (
        lambda: chain([b"GET / HTTP/1.1\r\nX-Long: "], repeat(MEBIBYTE, ENDLESS)),
        431,
    ),
    "sends an endless name": (
        lambda: chain([b"GET / HTTP/1.1\r\nX-"], repeat(MEBIBYTE, ENDLESS)),
        431,
    ),
    "sends headers without end": (
        lambda: chain([b"GET / HTTP/1.1\r\n"], repeat(b"X-N: 1\r\n" * 10_000, 99)),
        431,
    ),
    "sends an endless trailer": (
        lambda: chain([CHUNKED + JSON + b"0\r\nX-Long: "], repeat(MEBIBYTE, ENDLESS)),
        431,
    ),
    "sends trailers without end": (
        lambda: chain([CHUNKED + JSON + b"0\r\n"], repeat(b"X-N: 1\r\n" * 10_000, 99)),
        431,
    ),
    "sends an endless chunk extension": (
        lambda: chain([CHUNKED + JSON + b"5;x="], repeat(MEBIBYTE, ENDLESS)),
        431,
    ),
    "sends no HTTP": (lambda: at_once(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" * 20), 400),
    "sends a body without end": (lambda: chunks(CHUNKED + JSON), 413),
    "sends a body without end to no route": (
        lambda: chunks(CHUNKED.replace(b"login", b"x") + JSON),
        404,
    ),
    "upgrades to a web socket that is not there": (lambda: at_once(UPGRADE), 403),
}


def converse(
    address: tuple[str, int], parts: Iterator[bytes], give_up_seconds: float
) -> tuple[bytes, float]:
    """Send until the server stops it, and read until it closes the connection.

    Returns:
        What the server said, and the seconds until it closed.

    Raises:
        TimeoutError: It did not close the connection in time.
    """
    began = time.monotonic()
    said = bytearray()
    with socket.create_connection(address, timeout=give_up_seconds) as connection:
        with suppress(ConnectionError):
            for part in parts:
                connection.sendall(part)
                if time.monotonic() - began > give_up_seconds:
                    raise TimeoutError
        with suppress(ConnectionError):
            while received := connection.recv(65_536):
                said += received
    return bytes(said), time.monotonic() - began
