"""Keys travel in URLs and headers, and show up nowhere else."""

import json
import traceback
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from pydantic import BaseModel, SecretStr, TypeAdapter

from app.core.exceptions import AppException, ExternalServiceError
from app.core.http import (
    HttpResponse,
    Method,
    RetryConfig,
    create_http_client,
    fetch_stream,
    fetch_with_retry,
    fetch_with_timeout,
)
from app.core.logging import get_logger, log_error
from tests.logs import Log, captured_log
from tests.servers.http import Answer, faulty_server, hang, raw, repeat, reply, then_close, then_reset, unused_url
from tests.unit.core.http.conftest import Authority

pytestmark = pytest.mark.anyio

PLANTED = "pl4nted"
SECRETS = f"/hooks/{PLANTED}?key={PLANTED}&q={PLANTED}#{PLANTED}"


class Invoice(BaseModel):
    number: int
    lines: list[str] = []


@pytest.fixture
def log() -> Iterator[Log]:
    """The log of all loggers and levels."""
    with captured_log(level="DEBUG") as log:
        yield log


def shown(error: BaseException) -> str:
    """All that a person or a program may print of an error: nothing at all is chained to it."""
    assert (error.__cause__, error.__context__) == (None, None)
    texts = [*traceback.format_exception(error), str(error), repr(error), str(error.args)]
    if isinstance(error, AppException):
        texts += [json.dumps(error.to_dict()), str(error.details)]
    return "".join(texts)


HEAD = b"HTTP/1.1 200 OK\r\n"
# The ways in which a call fails, once it has been sent or while it is.
FAULTS: dict[str, Answer] = {
    "hangs": hang(),
    "hangs in headers": raw(HEAD + f"X: {PLANTED}\r\n".encode()),
    "hangs in body": raw(HEAD + f"Content-Length: 99\r\n\r\n{PLANTED}".encode()),
    "trickles": repeat(HEAD + b"Transfer-Encoding: chunked\r\n\r\n", b"1\r\nx\r\n", every_seconds=0.02),
    "closes": then_close(b""),
    "resets": then_reset(b""),
    "resets in headers": then_reset(HEAD + f"X: {PLANTED}".encode()),
    "resets in body": then_reset(HEAD + f"Content-Length: 99\r\n\r\n{PLANTED}".encode()),
    "echoes the line": raw(f"GET {SECRETS} HTTP/1.1\r\n\r\n".encode()),
    "echoes in a header": raw(HEAD + f"{PLANTED}\r\n\r\n".encode()),
    "echoes a length": raw(HEAD + f"Content-Length: {PLANTED}\r\n\r\n".encode()),
    "two lengths": raw(HEAD + b"Content-Length: 1\r\nContent-Length: 2\r\n\r\nxx"),
    "echoes in a chunk": raw(HEAD + f"Transfer-Encoding: chunked\r\n\r\n{PLANTED}\r\n".encode()),
    "endless header": raw(HEAD + PLANTED.encode() * 30_000),
    "too large": reply(200, PLANTED.encode() * 1000),
    "redirect": reply(302, Location=f"http://{PLANTED}.invalid/{PLANTED}", Set_Cookie=f"a={PLANTED}"),
    "status": reply(503, PLANTED.encode(), Set_Cookie=f"a={PLANTED}"),
    "refusal": reply(401, PLANTED.encode(), WWW_Authenticate=PLANTED),
    "unknown encoding": reply(200, PLANTED.encode(), Content_Encoding=PLANTED),
    "damaged encoding": reply(200, PLANTED.encode(), Content_Encoding="gzip"),
}


async def once(method: Method, url: str, **options: Any) -> None:
    await fetch_with_timeout(method, url, service="billing", **options)


async def again(method: Method, url: str, **options: Any) -> None:
    retry = RetryConfig(attempts=2, backoff_seconds=0.001, any_method=True)
    await fetch_with_retry(method, url, service="billing", retry=retry, **options)


async def in_pieces(method: Method, url: str, **options: Any) -> None:
    seconds = 2 * options["timeout_seconds"]
    async with fetch_stream(method, url, service="billing", total_seconds=seconds, **options) as answer:
        async for _ in answer.events():
            pass


DOORS: list[Any] = [once, again, in_pieces]


async def fail(
    door: Any, url: str, http: httpx.AsyncClient, method: Method = "GET", *, timeout_seconds: float = 10, **more: Any
) -> AppException:
    """The failure of a call that has something planted wherever a call can have it."""
    with pytest.raises(AppException) as caught:
        await door(
            method,
            url.replace("//", f"//{PLANTED}:{PLANTED}@") + SECRETS,
            client=http,
            timeout_seconds=timeout_seconds,
            max_response_bytes=5000,
            headers={"X-Api-Key": SecretStr(PLANTED), "Authorization": PLANTED, "Cookie": f"session={PLANTED}"},
            params={"more": PLANTED},
            **more,
        )
    return caught.value


@pytest.mark.parametrize("door", DOORS)
@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize("fault", FAULTS)
async def test_no_failure_shows_what_was_sent_or_received(
    fault: str, method: Method, door: Any, http: httpx.AsyncClient, log: Log
) -> None:
    body = {"json": {"password": PLANTED}} if method == "POST" else {}
    endless = fault.startswith(("hangs", "trickles"))
    async with faulty_server(FAULTS[fault]) as server:
        error = await fail(door, server.url, http, method, timeout_seconds=0.1 if endless else 10, **body)
    log_error(get_logger("test"), error)

    # What never ends may be given up before it has begun, on a machine that has much to do.
    assert endless or PLANTED in str(server.requests[0])
    assert PLANTED not in shown(error)
    assert PLANTED not in log.text
    assert log.events("http call")
    assert "/hooks" not in log.text


@pytest.mark.parametrize("door", DOORS)
async def test_no_failure_to_connect_shows_what_was_to_be_sent(
    door: Any, http: httpx.AsyncClient, authority: Authority, log: Log
) -> None:
    async with faulty_server(reply()) as plain, faulty_server(reply(), tls=authority.server_context()) as untrusted:
        errors = [
            await fail(door, url, http)
            for url in (
                unused_url(),
                untrusted.url,
                f"http://{PLANTED}.invalid",
                f"ftp://{PLANTED}",
                f"http://{PLANTED}{'x' * 70}",
            )
        ]
        # A server that speaks no TLS waits for more.
        errors.append(await fail(door, plain.url.replace("http", "https"), http, timeout_seconds=0.1))
        public = create_http_client(public_only=True)
        errors.append(await fail(door, plain.url, public))
        await public.aclose()
    for error in errors:
        log_error(get_logger("test"), error)
        assert PLANTED not in shown(error)
    assert PLANTED not in log.text
    assert plain.requests == untrusted.requests == []


@pytest.mark.parametrize(
    ("url", "header"),
    [
        (f"http://user:{PLANTED}:1:2/", "x"),
        (f"{PLANTED}://host/", "x"),
        (f"/{PLANTED}", "x"),
        (f"http://{PLANTED}{'x' * 70}/", "x"),
        (f"http://host/\n{PLANTED}", "x"),
        ("http://127.0.0.1:1", f"{PLANTED}\r\nX-Forged: 1"),
        ("http://127.0.0.1:1", f"{PLANTED}é"),
        (f"http://{PLANTED}.invalid/", "x"),
    ],
)
async def test_what_cannot_be_sent_is_not_shown(url: str, header: str, http: httpx.AsyncClient, log: Log) -> None:
    if url == "http://127.0.0.1:1":
        url = unused_url()
    with pytest.raises(ExternalServiceError) as caught:
        await fetch_with_timeout("GET", url, service="billing", client=http, headers={"X-Api-Key": SecretStr(header)})
    log_error(get_logger("test"), caught.value)

    assert PLANTED not in shown(caught.value)
    assert PLANTED not in log.text


async def test_a_header_cannot_smuggle_another(http: httpx.AsyncClient) -> None:
    async with faulty_server(reply()) as server:
        with pytest.raises(ExternalServiceError, match="malformed"):
            await fetch_with_timeout(
                "GET", server.url, service="billing", client=http, headers={"X": "1\r\nX-Forged: 1"}
            )
    assert server.requests == []


async def test_no_cookie_is_kept_for_the_next_caller(http: httpx.AsyncClient) -> None:
    async with faulty_server(reply(Set_Cookie="session=alice"), reply()) as server:
        for _ in range(2):
            await fetch_with_timeout("GET", server.url, service="billing", client=http)
    assert len(server.requests) == 2
    assert all("cookie" not in each.headers for each in server.requests)


async def test_a_header_is_sent_once_however_it_is_spelt() -> None:
    client = create_http_client(headers={"Authorization": "ours"})
    mine = {"authorization": "mine", "content-TYPE": "text/x"}
    async with faulty_server(reply()) as server:
        await fetch_with_timeout("POST", server.url, service="billing", client=client, headers=mine, json={})
        await client.aclose()
    assert server.requests[0].headers["authorization"] == "mine"
    assert server.requests[0].headers["content-type"] == "text/x"


async def test_an_answer_shows_nothing_by_accident(http: httpx.AsyncClient) -> None:
    async with faulty_server(reply(200, PLANTED.encode(), Set_Cookie=PLANTED)) as server:
        answer = await fetch_with_timeout("GET", server.url, service="billing", client=http)
    assert repr(answer) == "HttpResponse(service='billing', status=200)"


def test_json_becomes_a_type() -> None:
    answer = HttpResponse(service="billing", status=200, headers={}, body=b'{"number": 7}')

    assert answer.parse_json(Invoice) == Invoice(number=7)
    assert answer.parse_json(TypeAdapter(Invoice | None)) == Invoice(number=7)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html>pl4nted</html>",
        b'{"number": "pl4nted"}',
        b'{"number": 1, "lines": ["a", 2]}',
        b"[]",
        b"\xff",
        b"[" * 10_000,
    ],
)
def test_other_json_is_an_error_that_quotes_nothing(body: bytes) -> None:
    with pytest.raises(ExternalServiceError) as caught:
        HttpResponse(service="billing", status=200, headers={}, body=body).parse_json(Invoice)

    assert caught.value.details["status"] == 200
    assert PLANTED not in shown(caught.value)


def test_parse_json_says_where_the_answer_is_wrong() -> None:
    with pytest.raises(ExternalServiceError) as caught:
        HttpResponse(service="billing", status=200, headers={}, body=b'{"lines": ["a", 2]}').parse_json(Invoice)
    assert caught.value.details["problems"] == ["number: missing", "lines.1: string_type"]
