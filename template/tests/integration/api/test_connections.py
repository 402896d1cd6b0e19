"""Bounds of a connection: on the size of its head and trailers, and on the time of both."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from urllib.parse import urlsplit

import pytest
from fastapi import FastAPI

from app.protocol import BoundedHttpProtocol
from tests.applications import served

pytestmark = pytest.mark.anyio

Connection = tuple[asyncio.StreamReader, asyncio.StreamWriter]

LIMIT = 65_536
LIVE = b"GET /api/v1/health/live HTTP/1.1\r\nHost: test\r\n"
LOGIN = b"POST /api/v1/auth/login HTTP/1.1\r\nHost: test\r\nContent-Type: application/json\r\n"
CHUNKED = LOGIN + b"Transfer-Encoding: chunked\r\n\r\n"


class Impatient(BoundedHttpProtocol):
    """As it is, and quick to lose patience."""

    patience_seconds = 0.2
    write_seconds = 0.2
    check_seconds = 0.05


@asynccontextmanager
async def connection(app: FastAPI, protocol: type[BoundedHttpProtocol] = Impatient) -> AsyncIterator[Connection]:
    """A connection to a server of the test's own."""
    async with served(app, http=protocol, timeout_keep_alive=1) as url:
        reader, writer = await asyncio.open_connection("127.0.0.1", urlsplit(url).port)
        try:
            yield reader, writer
        finally:
            writer.close()


async def said(reader: asyncio.StreamReader) -> bytes:
    """All that the server says until it closes the connection, which is a reset where it has not read everything."""
    answer = b""
    async with asyncio.timeout(30):
        with suppress(ConnectionResetError):
            while part := await reader.read(LIMIT):
                answer += part
    return answer


def headers(size: int) -> bytes:
    """Headers of that many bytes together, as the limit counts them: with colon, space and line break."""
    name = b"X-Padding: "
    return name + b"a" * (size - len(name) - 2) + b"\r\n"


@pytest.mark.parametrize(
    ("sent", "refusal"),
    [
        (b"GET /" + b"a" * LIMIT + b" HTTP/1.1\r\n\r\n", 414),
        (LIVE + headers(LIMIT + 1) + b"\r\n", 431),
        (CHUNKED + b"0\r\n" + headers(LIMIT + 1) + b"\r\n", 431),
        (CHUNKED + b"0\r\n" + headers(1024) * 65 + b"\r\n", 431),
        (LIVE + b"X-Endless: " + b"a" * 4 * LIMIT, 431),
        (b"\x16\x03\x01" * 20, 400),
        (LIVE + b"X-Half", 408),
        (LOGIN + b"Content-Length: 9\r\n\r\n{", 408),
        (LIVE + b"\r\n" + b"GET /a", 408),
    ],
)
async def test_connection_beyond_a_bound_is_answered_and_closed(sent: bytes, refusal: int, app: FastAPI) -> None:
    async with connection(app) as (reader, writer):
        writer.write(sent)
        answer = await said(reader)

    head, _, body = answer.rpartition(b"\r\n\r\n")
    assert b"HTTP/1.1 %d " % refusal in head
    assert b"connection: close" in head
    assert body == b""


@pytest.mark.parametrize("sent", [b"", b"\r\n"])
async def test_connection_that_asks_for_nothing_is_closed_without_an_answer(sent: bytes, app: FastAPI) -> None:
    async with connection(app) as (reader, writer):
        writer.write(sent)
        assert await said(reader) == b""


async def test_connection_that_was_answered_is_not_kept_alive_by_line_breaks(app: FastAPI) -> None:
    async with connection(app) as (reader, writer):
        writer.write(LIVE + b"\r\n")
        assert b" 200 " in await reader.readuntil(b"\r\n\r\n")
        writer.write(b"\r\n")
        assert b"HTTP/1.1" not in await said(reader)


async def test_connection_within_the_bounds_goes_on(app: FastAPI) -> None:
    """A head and trailers of the largest size, one request after the other; what came as a trailer is not believed."""
    request = LOGIN + b"Transfer-Encoding: chunked\r\n"
    largest = request + headers(LIMIT - len(request)) + b"\r\n"
    async with connection(app, BoundedHttpProtocol) as (reader, writer):
        for _ in range(3):
            writer.write(largest + b"2\r\n{}\r\n0\r\n" + headers(LIMIT) + b"\r\n")
            async with asyncio.timeout(30):
                head = await reader.readuntil(b"\r\n\r\n")
                length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
                await reader.readexactly(length)
            assert b" 422 " in head


async def test_connection_is_kept_open_while_the_application_works() -> None:
    """The time is the client's alone: a slow answer is no reason to hang up."""
    app = FastAPI()

    @app.get("/api/v1/health/live")
    async def slow() -> str:
        await asyncio.sleep(0.6)
        return "done"

    async with connection(app) as (reader, writer):
        writer.write(LIVE + b"Connection: close\r\n\r\n")
        answer = await said(reader)
    assert answer.startswith(b"HTTP/1.1 200")
