"""Keys travel in URLs and headers, and show up nowhere else."""

import json
import traceback
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from pydantic import BaseModel, SecretStr

from app.core.exceptions import AppException, ExternalServiceError
from app.core.http import (
    HttpResponse,
    RetryConfig,
    create_http_client,
    fetch_stream,
    fetch_with_retry,
    fetch_with_timeout,
)
from app.core.logging import get_logger, log_error
from tests.logs import Log, captured_log
from tests.servers.http import Answer, faulty_server, hang, raw, reply, then_reset, unused_url
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
    "resets": then_reset(HEAD + f"X: {PLANTED}".encode()),
    "echoes the line": raw(f"GET {SECRETS} HTTP/1.1\r\n\r\n".encode()),
    "echoes a length": raw(HEAD + f"Content-Length: {PLANTED}\r\n\r\n".encode()),
    "echoes in a chunk": raw(HEAD + f"Transfer-Encoding: chunked\r\n\r\n{PLANTED}\r\n".encode()),
    "too large": reply(200, PLANTED.encode() * 1000),
    "redirect": reply(302, Location=f"http://{PLANTED}.invalid/{PLANTED}", Set_Cookie=f"a={PLANTED}"),
    "status": reply(503, PLANTED.encode(), WWW_Authenticate=PLANTED),
    "unknown encoding": reply(200, PLANTED.encode(), Content_Encoding=PLANTED),
    "damaged encoding": reply(200, PLANTED.encode(), Content_Encoding="gzip"),
}


async def once(url: str, **options: Any) -> None:
    await fetch_with_timeout("POST", url, service="billing", json={"password": PLANTED}, **options)


async def again(url: str, **options: Any) -> None:
    retry = RetryConfig(attempts=2, backoff_seconds=0.001)
    await fetch_with_retry("GET", url, service="billing", retry=retry, **options)


async def in_pieces(url: str, **options: Any) -> None:
    async with fetch_stream("GET", url, service="billing", **options) as answer:
        async for _ in answer.lines():
            pass


async def fail(door: Any, url: str, http: httpx.AsyncClient, timeout_seconds: float = 10) -> AppException:
    """The failure of a call that has something planted wherever a call can have it."""
    with pytest.raises(AppException) as caught:
        await door(
            url.replace("//", f"//{PLANTED}:{PLANTED}@") + SECRETS,
            client=http,
            timeout_seconds=timeout_seconds,
            max_response_bytes=5000,
            headers={"X-Api-Key": SecretStr(PLANTED), "Authorization": PLANTED, "Cookie": f"session={PLANTED}"},
        )
    return caught.value


@pytest.mark.parametrize("door", [once, again, in_pieces])
@pytest.mark.parametrize("fault", FAULTS)
async def test_no_failure_of_a_call_shows_what_was_sent_or_received(
    fault: str, door: Any, http: httpx.AsyncClient, log: Log
) -> None:
    endless = fault.startswith("hangs")
    async with faulty_server(FAULTS[fault]) as server:
        error = await fail(door, server.url, http, timeout_seconds=0.1 if endless else 10)
    log_error(get_logger("test"), error)

    # What never ends may be given up before it has begun, on a machine that has much to do.
    assert endless or PLANTED in str(server.requests[0])
    assert PLANTED not in shown(error)
    assert PLANTED not in log.text
    assert "/hooks" not in log.text


async def test_no_failure_to_connect_shows_what_was_to_be_sent(
    http: httpx.AsyncClient, authority: Authority, log: Log
) -> None:
    async with (
        faulty_server(reply()) as plain,
        faulty_server(reply(), tls=authority.server_context()) as untrusted,
        create_http_client(public_only=True) as public,
    ):
        urls = (unused_url(), untrusted.url, f"http://{PLANTED}.invalid", f"ftp://{PLANTED}")
        errors = [await fail(once, url, http) for url in urls]
        # A server that speaks no TLS waits for more.
        errors.append(await fail(once, plain.url.replace("http", "https"), http, timeout_seconds=0.1))
        errors.append(await fail(once, plain.url, public))
    for error in errors:
        log_error(get_logger("test"), error)
        assert PLANTED not in shown(error)
    assert PLANTED not in log.text
    assert plain.requests == untrusted.requests == []


@pytest.mark.parametrize(
    ("url", "header"),
    [
        (f"http://user:{PLANTED}:1:2/", "x"),
        (f"/{PLANTED}", "x"),
        (f"http://{PLANTED}{'x' * 70}/", "x"),
        (f"http://host/\n{PLANTED}", "x"),
        ("", f"{PLANTED}\r\nX-Forged: 1"),
        ("", f"{PLANTED}é"),
    ],
)
async def test_fetch_with_timeout_does_not_show_what_cannot_be_sent(
    url: str, header: str, http: httpx.AsyncClient, log: Log
) -> None:
    async with faulty_server(reply()) as server:
        with pytest.raises(ExternalServiceError) as caught:
            await fetch_with_timeout(
                "GET", url or server.url, service="billing", client=http, headers={"X-Api-Key": SecretStr(header)}
            )
    log_error(get_logger("test"), caught.value)

    assert server.requests == []
    assert PLANTED not in shown(caught.value)
    assert PLANTED not in log.text


def answered(body: bytes) -> HttpResponse:
    return HttpResponse(service="billing", status=200, headers={"set-cookie": PLANTED}, body=body)


@pytest.mark.parametrize("body", [b"<html>pl4nted</html>", b'{"number": "pl4nted", "lines": ["a", 2]}'])
def test_parse_json_returns_a_value_of_a_type_or_refuses_the_answer_and_shows_nothing(body: bytes) -> None:
    assert answered(b'{"number": 7}').parse_json(Invoice) == Invoice(number=7)
    with pytest.raises(ExternalServiceError, match="Answered with other JSON") as caught:
        answered(body).parse_json(Invoice)
    assert PLANTED not in shown(caught.value)
    assert repr(answered(body)) == "HttpResponse(service='billing', status=200)"
