"""`fetch_with_timeout`: a call ends in time, within its memory and with an error of ours, however it is answered."""

import asyncio
import gzip
import time
import tracemalloc

import httpx
import pytest

from app.core.exceptions import AppException, ExternalServiceError, TimeoutError
from app.core.http import ExternalConnectionError, create_http_client, fetch_with_timeout
from tests.servers.http import Answer, faulty_server, hang, raw, repeat, reply, then_close, then_reset, unused_url

pytestmark = pytest.mark.anyio

HEAD = b"HTTP/1.1 200 OK\r\n"
ENDLESS = HEAD + b"Transfer-Encoding: chunked\r\n\r\n"


async def failure(
    url: str, http: httpx.AsyncClient, timeout_seconds: float = 5, max_response_bytes: int = 1000
) -> AppException:
    with pytest.raises(AppException) as caught:
        await fetch_with_timeout(
            "GET",
            url,
            service="billing",
            client=http,
            timeout_seconds=timeout_seconds,
            max_response_bytes=max_response_bytes,
        )
    return caught.value


async def test_fetch_with_timeout_sends_the_request_and_returns_the_whole_answer(http: httpx.AsyncClient) -> None:
    async with faulty_server(reply(404, b"no such invoice", X_Kind="invoice")) as server:
        answer = await fetch_with_timeout(
            "POST",
            f"{server.url}/invoices?a=%2F",
            service="billing",
            client=http,
            json={"a": [1]},
            params={"q": "x y"},
            accept={404},
        )

    assert (answer.status, answer.body, answer.headers["x-kind"]) == (404, b"no such invoice", "invoice")
    [request] = server.requests
    assert (request.method, request.target, request.body) == ("POST", "/invoices?a=%2F&q=x+y", b'{"a":[1]}')
    assert request.headers["content-type"] == "application/json"
    assert request.headers["user-agent"] == "orders/1.2"


async def test_fetch_with_timeout_says_that_a_connection_was_refused(http: httpx.AsyncClient) -> None:
    error = await failure(unused_url(), http)

    assert isinstance(error, ExternalConnectionError)
    assert error.message == "billing: Cannot be reached."
    assert (error.details, error.operation) == ({"service": "billing", "reason": "ConnectError"}, "http.GET")


@pytest.mark.parametrize(
    "answer",
    [
        hang(),
        raw(HEAD + b"Content-Length: 10\r\n\r\nhalf"),
        repeat(ENDLESS, b"1\r\nx\r\n", every_seconds=0.02),
        repeat(HEAD, b"X-Header: 1\r\n", every_seconds=0.02),
        repeat(b"", b"HTTP/1.1 100 Continue\r\n\r\n", every_seconds=0.02),
    ],
    ids=["hangs", "hangs in body", "trickles body", "trickles headers", "continues for ever"],
)
async def test_fetch_with_timeout_ends_in_time(answer: Answer, http: httpx.AsyncClient) -> None:
    async with faulty_server(answer) as server:
        began = time.monotonic()
        error = await failure(server.url, http, timeout_seconds=0.1)

    assert 0.1 <= time.monotonic() - began < 0.5
    assert isinstance(error, TimeoutError)
    assert error.message == "billing: No complete answer in time."


async def test_fetch_with_timeout_leaves_room_in_the_pool_after_a_timeout() -> None:
    http = create_http_client(max_connections=2)
    async with faulty_server(hang()) as server:
        for _ in range(4):
            await failure(server.url, http, timeout_seconds=0.02)
        server.answers = (reply(),)
        assert (await fetch_with_timeout("GET", server.url, service="billing", client=http)).status == 200
        await http.aclose()


async def test_fetch_with_timeout_does_not_translate_a_timeout_of_its_caller(http: httpx.AsyncClient) -> None:
    async with faulty_server(hang()) as server:
        with pytest.raises(asyncio.TimeoutError):
            async with asyncio.timeout(0.02):
                await fetch_with_timeout("GET", server.url, service="billing", client=http)


@pytest.mark.parametrize(
    "answer",
    [
        then_close(b""),
        then_reset(b""),
        then_reset(HEAD + b"Content-"),
        then_reset(HEAD + b"Content-Length: 10\r\n\r\nhalf"),
        then_close(HEAD + b"Content-Length: 10\r\n\r\nhalf"),
        then_close(ENDLESS + b"5\r\nhalf"),
        then_close(b"\x00\xff SSH-2.0-OpenSSH\r\n\r\n"),
        raw(HEAD + b"Content-Length: -1\r\n\r\n"),
        raw(HEAD + b"Content-Length: 1\r\nContent-Length: 2\r\n\r\nxx"),
        raw(ENDLESS + b"zz\r\n"),
        raw(b"HTTP/1.1 200 OK\r\n" + b"X" * 200_000),
    ],
)  # fmt: skip
async def test_fetch_with_timeout_reports_a_broken_answer_as_a_broken_connection(
    answer: Answer, http: httpx.AsyncClient
) -> None:
    async with faulty_server(answer) as server:
        error = await failure(server.url, http)

    assert isinstance(error, ExternalConnectionError)
    assert issubclass(getattr(httpx, str(error.details["reason"])), httpx.TransportError)
    assert len(server.requests) == 1


@pytest.mark.parametrize(
    "answer",
    [
        reply(body=b"x" * 1001),
        repeat(ENDLESS, b"1\r\nx\r\n"),
        repeat(HEAD + b"\r\n", b"x" * 4096),
        reply(body=gzip.compress(b"x" * 1001), Content_Encoding="gzip"),
    ],
    ids=["large", "never ends", "never ends, no length", "compressed"],
)
async def test_fetch_with_timeout_refuses_an_answer_that_is_too_large(answer: Answer, http: httpx.AsyncClient) -> None:
    async with faulty_server(answer) as server:
        error = await failure(server.url, http)

    assert type(error) is ExternalServiceError
    assert error.message == "billing: The answer is larger than 1000 bytes."


async def test_fetch_with_timeout_does_not_unpack_a_decompression_bomb(http: httpx.AsyncClient) -> None:
    bomb = gzip.compress(bytes(50_000_000), compresslevel=1, mtime=0)
    async with faulty_server(reply(body=bomb, Content_Encoding="gzip")) as server:
        await failure(f"{server.url}/warm-up", http)
        tracemalloc.start()
        error = await failure(server.url, http, max_response_bytes=100_000)
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()

    assert error.message == "billing: The answer is larger than 100000 bytes."
    assert peak < 5_000_000


@pytest.mark.parametrize(
    ("encoding", "body"),
    [
        ("br", b"anything"),
        ("gzip, gzip", gzip.compress(gzip.compress(b"x"))),
        ("gzip", b"not gzip"),
        ("gzip", gzip.compress(b"cut off")[:-4]),
        ("gzip", gzip.compress(b"x") + b"more"),
    ],
    ids=["not asked for", "two layers", "not gzip", "cut off", "more than gzip"],
)
async def test_fetch_with_timeout_refuses_a_damaged_or_unknown_compression(
    encoding: str, body: bytes, http: httpx.AsyncClient
) -> None:
    async with faulty_server(reply(body=body, Content_Encoding=encoding)) as server:
        error = await failure(server.url, http)

    assert type(error) is ExternalServiceError
    assert "compress" in error.message


@pytest.mark.parametrize(
    ("encoding", "body"),
    [("gzip", gzip.compress(b"x" * 1000)), ("GZIP", gzip.compress(b"")), ("identity", b"x"), ("gzip", b"")],
    ids=["whole", "empty", "identity", "no body"],
)
async def test_fetch_with_timeout_unpacks_gzip(encoding: str, body: bytes, http: httpx.AsyncClient) -> None:
    async with faulty_server(reply(body=body, Content_Encoding=encoding)) as server:
        answer = await fetch_with_timeout("GET", server.url, service="billing", client=http, max_response_bytes=1000)

    assert answer.body == (gzip.decompress(body) if encoding != "identity" else body)
    assert server.requests[0].headers["accept-encoding"] == "gzip"


async def test_fetch_with_timeout_follows_no_redirect(http: httpx.AsyncClient) -> None:
    async with faulty_server(reply(302, Location="/elsewhere")) as server:
        answer = await fetch_with_timeout("GET", server.url, service="billing", client=http, accept={302})
    assert (answer.status, answer.headers["location"], len(server.requests)) == (302, "/elsewhere", 1)


async def test_fetch_with_timeout_survives_a_connection_that_was_closed_while_idle(http: httpx.AsyncClient) -> None:
    closing = then_close(HEAD + b"Content-Length: 2\r\n\r\nok")
    async with faulty_server(reply(), reply(), closing, reply()) as server:
        for _ in range(2):
            await fetch_with_timeout("GET", server.url, service="billing", client=http)
        assert server.connections == 1
        for _ in range(2):
            assert (await fetch_with_timeout("POST", server.url, service="billing", client=http)).status == 200
            await asyncio.sleep(0.01)

    assert server.connections == 2
    assert len(server.requests) == 4
