"""`fetch_with_timeout` and `fetch_stream`: in time, within memory and with an error of ours, however it is answered."""

import gzip
import time
from typing import Any

import httpx
import pytest
from httpx import Limits

from app.core.exceptions import AppException, ExternalServiceError, TimeoutError
from app.core.http import ExternalConnectionError, create_http_client, fetch_stream, fetch_with_timeout
from tests.servers.http import Answer, faulty_server, hang, raw, repeat, reply, then_close, then_reset

pytestmark = pytest.mark.anyio

HEAD = b"HTTP/1.1 200 OK\r\n"
ENDLESS = HEAD + b"Transfer-Encoding: chunked\r\n\r\n"


async def read(url: str, http: httpx.AsyncClient, **options: Any) -> list[bytes]:
    """All pieces of a streamed answer."""
    async with fetch_stream("GET", url, service="billing", client=http, **options) as answer:
        return [piece async for piece in answer.pieces]


async def failure(answer: Answer, http: httpx.AsyncClient, timeout_seconds: float = 5) -> AppException:
    """The error of a call that is answered so."""
    options: Any = {"service": "billing", "timeout_seconds": timeout_seconds, "max_response_bytes": 1000}
    async with faulty_server(answer) as server:
        with pytest.raises(AppException) as caught:
            await fetch_with_timeout("GET", server.url, client=http, **options)
        assert len(server.requests) == 1
    return caught.value


async def test_fetch_with_timeout_sends_the_request_and_returns_the_whole_answer(http: httpx.AsyncClient) -> None:
    async with faulty_server(reply(404, b"no such invoice", X_Kind="invoice")) as server:
        answer = await fetch_with_timeout(
            "POST",
            f"{server.url}/invoices",
            service="billing",
            client=http,
            json={"a": [1]},
            params={"q": "x y"},
            headers={"ACCEPT": "x/y"},
            accept={404},
        )

    assert (answer.status, answer.body, answer.headers["x-kind"]) == (404, b"no such invoice", "invoice")
    [request] = server.requests
    assert (request.method, request.target, request.body) == ("POST", "/invoices?q=x+y", b'{"a":[1]}')
    assert (request.headers["content-type"], request.headers["accept"]) == ("application/json", "x/y")


@pytest.mark.parametrize(
    "answer",
    [
        hang(),
        raw(HEAD + b"Content-Length: 10\r\n\r\nhalf"),
        repeat(ENDLESS, b"1\r\nx\r\n", every_seconds=0.02),
        repeat(HEAD, b"X-Header: 1\r\n", every_seconds=0.02),
    ],
    ids=["hangs", "hangs in body", "trickles body", "trickles headers"],
)
async def test_fetch_with_timeout_ends_in_time(answer: Answer, http: httpx.AsyncClient) -> None:
    began = time.monotonic()
    error = await failure(answer, http, timeout_seconds=0.1)

    assert 0.1 <= time.monotonic() - began < 10
    assert isinstance(error, TimeoutError)
    assert error.message == "billing: No complete answer in time."


@pytest.mark.parametrize(
    ("total_seconds", "timeout_seconds"), [(0.1, 30), (30, 0.1)], ids=["all of it", "a piece that does not come"]
)
async def test_fetch_stream_ends_in_time(total_seconds: float, timeout_seconds: float, http: httpx.AsyncClient) -> None:
    slow = raw(ENDLESS + b"1\r\nx\r\n") if timeout_seconds < 1 else repeat(ENDLESS, b"1\r\nx\r\n", every_seconds=0.01)
    async with faulty_server(slow) as server:
        began = time.monotonic()
        with pytest.raises(TimeoutError):
            await read(server.url, http, total_seconds=total_seconds, timeout_seconds=timeout_seconds)
        assert 0.1 <= time.monotonic() - began < 10


async def test_calls_that_are_given_up_leave_room_in_the_pool(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("httpx.Limits", lambda **_: Limits(max_connections=1))
    async with create_http_client() as http, faulty_server(hang()) as server:
        with pytest.raises(TimeoutError):
            await fetch_with_timeout("GET", server.url, service="billing", client=http, timeout_seconds=0.05)
        server.answers = (repeat(ENDLESS, b"1\r\nx\r\n"),)
        async with fetch_stream("GET", server.url, service="billing", client=http):
            pass
        server.answers = (reply(),)
        assert (await fetch_with_timeout("GET", server.url, service="billing", client=http)).status == 200


@pytest.mark.parametrize(
    "answer",
    [
        then_close(b""),
        then_reset(HEAD + b"Content-"),
        then_close(ENDLESS + b"5\r\nhalf"),
        raw(HEAD + b"Content-Length: -1\r\n\r\n"),
        reply(body=b"not gzip", Content_Encoding="gzip"),
    ],
)
async def test_fetch_with_timeout_reports_a_broken_answer_as_a_broken_connection(
    answer: Answer, http: httpx.AsyncClient
) -> None:
    assert isinstance(await failure(answer, http), ExternalConnectionError)


@pytest.mark.parametrize(
    "answer",
    [
        reply(body=b"x" * 1001),
        repeat(HEAD + b"\r\n", b"x" * 4096),
        reply(body=gzip.compress(bytes(5_000_000)), Content_Encoding="gzip"),
    ],
    ids=["large", "never ends", "compressed"],
)
async def test_fetch_with_timeout_refuses_an_answer_that_is_too_large(answer: Answer, http: httpx.AsyncClient) -> None:
    error = await failure(answer, http)

    assert type(error) is ExternalServiceError
    assert error.message == "billing: The answer is larger than 1000 bytes."


async def test_fetch_with_timeout_unpacks_gzip_and_nothing_else(http: httpx.AsyncClient) -> None:
    error = await failure(reply(body=b"x", Content_Encoding="gzip, gzip"), http)
    assert error.message == "billing: The answer's compression was not asked for."

    async with faulty_server(reply(body=gzip.compress(b"x" * 1000), Content_Encoding="GZIP")) as server:
        answer = await fetch_with_timeout("GET", server.url, service="billing", client=http, max_response_bytes=1000)

    assert answer.body == b"x" * 1000
    assert server.requests[0].headers["accept-encoding"] == "gzip"


async def test_fetch_with_timeout_follows_no_redirect(http: httpx.AsyncClient) -> None:
    async with faulty_server(reply(302, Location="/elsewhere")) as server:
        answer = await fetch_with_timeout("GET", server.url, service="billing", client=http, accept={302})
    assert (answer.status, answer.headers["location"], len(server.requests)) == (302, "/elsewhere", 1)


async def test_fetch_stream_yields_lines_before_the_answer_is_complete(http: httpx.AsyncClient) -> None:
    """They end at line feeds alone, and with the answer."""
    chunks = b"7\r\ndata: \xc3\r\n" + b"4\r\n\xa9\r\n\n\r\n"
    whole = reply(body='{"a":"\u2028"}\r\n\nbroken \u00a0off'.encode())
    async with faulty_server(raw(ENDLESS + chunks), whole) as server:
        async with fetch_stream("POST", server.url, service="models", client=http, json={}) as answer:
            assert (answer.status, answer.headers["transfer-encoding"]) == (200, "chunked")
            lines = answer.lines()
            assert [await anext(lines), await anext(lines)] == ["data: é", ""]
        async with fetch_stream("GET", server.url, service="models", client=http) as answer:
            assert [line async for line in answer.lines()] == ['{"a":"\u2028"}', "", "broken \u00a0off"]


async def test_fetch_stream_raises_an_error_status_before_anything_is_read(http: httpx.AsyncClient) -> None:
    async with faulty_server(reply(429, b"slow down")) as server:
        with pytest.raises(ExternalServiceError) as caught:
            await read(server.url, http)
        assert caught.value.details["status"] == 429
        assert await read(server.url, http, accept={429}) == [b"slow down"]
