"""Keys travel in URLs and headers, and show up nowhere else."""

import json
import traceback
from collections.abc import Iterator

import pytest
from pydantic import BaseModel, SecretStr, TypeAdapter

from app.core.exceptions import AppException, ExternalServiceError
from app.core.http import (
    HttpClient,
    HttpResponse,
    RetryConfig,
    create_http_client,
    fetch_with_retry,
    fetch_with_timeout,
)
from app.core.logging import get_logger, log_error
from tests.logs import Log, captured_log
from tests.servers.http import Answer, faulty_server, hang, raw, reply, then_close, unused_url

pytestmark = pytest.mark.anyio

PLANTED = "pl4nted"
SECRETS = f"/hooks/{PLANTED}?key={PLANTED}&q={PLANTED}#{PLANTED}"


class Invoice(BaseModel):
    number: int
    lines: list[str] = []


@pytest.fixture
def log() -> Iterator[Log]:
    """Everything that is logged, of all loggers and levels."""
    with captured_log(level="DEBUG") as log:
        yield log


def shown(error: BaseException) -> str:
    """All that anybody may print of an error."""
    texts = [*traceback.format_exception(error)]
    ahead: list[BaseException | None] = [error]
    while ahead:
        if seen := ahead.pop():
            texts += [str(seen), repr(seen), str(seen.args)]
            if isinstance(seen, AppException):
                texts += [json.dumps(seen.to_dict()), str(seen.details)]
            ahead += [seen.__cause__, seen.__context__]
    return "".join(texts)


@pytest.mark.parametrize(
    "answer",
    [
        hang(),
        then_close(b""),
        raw(f"GET {SECRETS} HTTP/1.1\r\n\r\n".encode()),
        raw(f"HTTP/1.1 200 OK\r\n{PLANTED}\r\n\r\n".encode()),
        reply(302, Location=f"http://{PLANTED}:{PLANTED}/"),
        reply(302, Location=f"{PLANTED}://{PLANTED}"),
        reply(302, Location=f"/?{PLANTED}", Set_Cookie=f"a={PLANTED}"),
        reply(503, PLANTED.encode(), Set_Cookie=f"a={PLANTED}"),
        reply(200, PLANTED.encode(), Content_Encoding=PLANTED),
    ],
    ids=["hangs", "closes", "echoes", "echoes in header", "bad port", "bad scheme", "circle", "status", "encoding"],
)
async def test_no_failure_shows_what_was_sent(answer: Answer, http: HttpClient, log: Log) -> None:
    async with faulty_server(answer) as server:
        with pytest.raises(AppException) as caught:
            await fetch_with_retry(
                "GET",
                server.url.replace("//", f"//{PLANTED}:{PLANTED}@") + SECRETS,
                service="billing",
                client=http,
                retry=RetryConfig(attempts=2, backoff_base_seconds=0.001),
                timeout_seconds=0.1,
                max_redirects=2,
                raise_for_status=True,
                headers={"X-Api-Key": SecretStr(PLANTED), "Authorization": PLANTED},
                params={"more": PLANTED},
            )
    log_error(get_logger("test"), caught.value)

    assert PLANTED in str(server.requests[0])
    assert PLANTED not in shown(caught.value)
    assert PLANTED not in log.text
    assert log.events("http call")
    assert "/hooks" not in log.text


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
async def test_what_cannot_be_sent_is_not_shown(url: str, header: str, http: HttpClient, log: Log) -> None:
    if url == "http://127.0.0.1:1":
        url = unused_url()
    with pytest.raises(ExternalServiceError) as caught:
        await fetch_with_timeout("GET", url, service="billing", client=http, headers={"X-Api-Key": SecretStr(header)})
    log_error(get_logger("test"), caught.value)

    assert PLANTED not in shown(caught.value)
    assert PLANTED not in log.text


async def test_a_header_cannot_smuggle_another(http: HttpClient) -> None:
    async with faulty_server(reply()) as server:
        with pytest.raises(ExternalServiceError, match="malformed"):
            await fetch_with_timeout(
                "GET", server.url, service="billing", client=http, headers={"X": "1\r\nX-Forged: 1"}
            )
    assert server.requests == []


async def test_no_cookie_is_kept_for_the_next_caller(http: HttpClient) -> None:
    async with faulty_server(
        reply(Set_Cookie="session=alice"), reply(302, Location="/", Set_Cookie="a=b"), reply()
    ) as server:
        for _ in range(2):
            await fetch_with_timeout("GET", server.url, service="billing", client=http, max_redirects=1)
    assert len(server.requests) == 3
    assert all("cookie" not in each.headers for each in server.requests)


async def test_one_header_is_sent_once_however_it_is_spelt() -> None:
    client = create_http_client(headers={"Authorization": "ours"})
    async with faulty_server(reply()) as server:
        await fetch_with_timeout("GET", server.url, service="billing", client=client, headers={"authorization": "mine"})
        await client.close()
    assert server.requests[0].headers["authorization"] == "mine"


async def test_an_answer_shows_nothing_by_accident(http: HttpClient) -> None:
    async with faulty_server(reply(200, PLANTED.encode(), Set_Cookie=PLANTED)) as server:
        answer = await fetch_with_timeout("GET", server.url, service="billing", client=http)
    assert repr(answer) == "HttpResponse(service='billing', status=200)"


def test_a_status_can_be_an_error() -> None:
    for status in (199, 300, 404, 500):
        with pytest.raises(ExternalServiceError) as caught:
            HttpResponse(service="billing", status=status, headers={}, body=b"").require_success()
        assert caught.value.message == f"billing: Answered with status {status}."
        assert caught.value.details == {"status": status}
    for status in (200, 299):
        assert HttpResponse(service="billing", status=status, headers={}, body=b"").require_success().status == status


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

    assert caught.value.details == {"status": 200}
    assert isinstance(caught.value.__cause__, ValueError)
    assert PLANTED not in shown(caught.value)


def test_the_cause_says_where() -> None:
    with pytest.raises(ExternalServiceError) as caught:
        HttpResponse(service="billing", status=200, headers={}, body=b'{"lines": ["a", 2]}').parse_json(Invoice)
    assert str(caught.value.__cause__) == "number: missing; lines.1: string_type"
