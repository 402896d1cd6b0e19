"""`fetch_stream`: an answer that is read as it comes, within its limits."""

import gzip
import time
from typing import Any

import httpx
import pytest

from app.core.exceptions import ExternalServiceError, TimeoutError
from app.core.http import ExternalConnectionError, create_http_client, fetch_stream, fetch_with_timeout
from tests.servers.http import faulty_server, hang, raw, repeat, reply, then_close

pytestmark = pytest.mark.anyio


async def read(url: str, http: httpx.AsyncClient, **options: Any) -> list[bytes]:
    """All pieces of a streamed answer."""
    async with fetch_stream("GET", url, service="models", client=http, **options) as answer:
        return [piece async for piece in answer.pieces]


HEAD = b"HTTP/1.1 200 OK\r\n"
ENDLESS = HEAD + b"Transfer-Encoding: chunked\r\n\r\n"
EVENTS = (
    b": a comment\n\nevent: token\ndata: one\ndata: two\nid: 7\n\ndata:caf\xc3\xa9\r\n\r\nretry: 1\n\ndata: broken off"
)


async def test_events_come_with_their_type_and_lines(http: httpx.AsyncClient) -> None:
    async with (
        faulty_server(then_close(HEAD + b"Content-Type: text/event-stream\r\n\r\n" + EVENTS)) as server,
        fetch_stream("POST", server.url, service="models", client=http, json={}) as answer,
    ):
        assert (answer.status, answer.headers["content-type"]) == (200, "text/event-stream")
        assert [event async for event in answer.events()] == [("token", "one\ntwo"), ("message", "café")]


async def test_pieces_come_before_the_answer_is_complete(http: httpx.AsyncClient) -> None:
    endless = repeat(ENDLESS, b"8\r\ndata: x\n\r\n1\r\n\n\r\n", every_seconds=0.001)
    async with (
        faulty_server(endless) as server,
        fetch_stream("GET", server.url, service="models", client=http) as answer,
    ):
        assert await anext(answer.events()) == ("message", "x")


async def test_a_large_answer_costs_no_memory_and_is_bounded(http: httpx.AsyncClient) -> None:
    body = gzip.compress(bytes(30_000_000), compresslevel=1, mtime=0)
    async with faulty_server(reply(200, body, Content_Encoding="gzip")) as server:
        sizes = [len(piece) for piece in await read(server.url, http, max_response_bytes=30_000_000)]
        assert (sum(sizes), max(sizes)) == (30_000_000, 65_536)
        with pytest.raises(ExternalServiceError, match="larger than 1000 bytes"):
            await read(server.url, http, max_response_bytes=1000)


@pytest.mark.parametrize(
    ("total_seconds", "timeout_seconds"), [(0.1, 30), (30, 0.1)], ids=["all of it", "a piece that does not come"]
)
async def test_a_stream_ends_in_time(total_seconds: float, timeout_seconds: float, http: httpx.AsyncClient) -> None:
    slow = raw(ENDLESS + b"1\r\nx\r\n") if timeout_seconds < 1 else repeat(ENDLESS, b"1\r\nx\r\n", every_seconds=0.01)
    async with faulty_server(slow) as server:
        began = time.monotonic()
        with pytest.raises(TimeoutError):
            await read(server.url, http, total_seconds=total_seconds, timeout_seconds=timeout_seconds)
        assert 0.1 <= time.monotonic() - began < 5


async def test_a_stream_that_breaks_off_is_a_connection_that_broke(http: httpx.AsyncClient) -> None:
    async with faulty_server(then_close(ENDLESS + b"5\r\nhalf")) as server:
        with pytest.raises(ExternalConnectionError):
            await read(server.url, http)


async def test_an_error_status_is_raised_before_anything_is_read(http: httpx.AsyncClient) -> None:
    async with faulty_server(reply(429, b"slow down")) as server:
        with pytest.raises(ExternalServiceError) as caught:
            await read(server.url, http)
        assert caught.value.details["status"] == 429
        assert await read(server.url, http, accept={429}) == [b"slow down"]


async def test_an_error_of_the_reader_s_own_is_not_translated(http: httpx.AsyncClient) -> None:
    async with faulty_server(reply(200, b"x")) as server:
        with pytest.raises(OSError, match="disk full"):
            async with fetch_stream("GET", server.url, service="files", client=http):
                raise OSError("disk full")


async def test_a_stream_that_is_left_early_leaves_room_in_the_pool() -> None:
    http = create_http_client(max_connections=1)
    async with faulty_server(repeat(ENDLESS, b"1\r\nx\r\n"), reply(), hang()) as server:
        async with fetch_stream("GET", server.url, service="models", client=http):
            pass
        assert (await fetch_with_timeout("GET", server.url, service="models", client=http)).status == 200
        await http.aclose()
