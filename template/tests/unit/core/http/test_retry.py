"""What is asked again and what is not, counted where the requests arrive."""

import time
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from pydantic import SecretStr

from app.core.exceptions import ExternalServiceError, TimeoutError
from app.core.http import (
    ANY_STATUS,
    ExternalConnectionError,
    HttpClient,
    HttpResponse,
    Method,
    RetryConfig,
    fetch_with_retry,
)
from tests.servers.http import Answer, faulty_server, hang, raw, reply, then_close, then_reset, unused_url

pytestmark = pytest.mark.anyio

FAST = RetryConfig(attempts=3, total_seconds=2, backoff_base_seconds=0.001, backoff_cap_seconds=0.002)
HEAD = b"HTTP/1.1 200 OK\r\n"


async def call(
    http: HttpClient, *answers: Answer, method: Method = "GET", retry: RetryConfig = FAST, timeout_seconds: float = 1
) -> tuple[HttpResponse | Exception, int]:
    """What came of it, and how many requests arrived."""
    async with faulty_server(*answers) as server:
        outcome: HttpResponse | Exception
        try:
            outcome = await fetch_with_retry(
                method,
                server.url,
                service="billing",
                client=http,
                retry=retry,
                timeout_seconds=timeout_seconds,
                accept=ANY_STATUS,
            )
        except (ExternalServiceError, TimeoutError) as err:
            outcome = err
        return outcome, len(server.requests)


@pytest.mark.parametrize("status", [502, 503, 504])
@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS", "PUT", "DELETE"])
async def test_a_service_that_is_briefly_away_is_asked_again(status: int, method: Method, http: HttpClient) -> None:
    outcome, requests = await call(http, reply(status), reply(status), reply(204), method=method)

    assert isinstance(outcome, HttpResponse)
    assert (outcome.status, requests) == (204, 3)


@pytest.mark.parametrize(
    "fault",
    [then_close(b""), then_reset(b""), then_reset(HEAD + b"Content-Length: 9\r\n\r\nx"), raw(b"nonsense\r\n\r\n")],
    ids=["closes", "resets", "resets in body", "garbage"],
)
async def test_a_broken_connection_is_tried_again(fault: Answer, http: HttpClient) -> None:
    outcome, requests = await call(http, fault, fault, reply(body=b"ok"))

    assert isinstance(outcome, HttpResponse)
    assert (outcome.body, requests) == (b"ok", 3)


async def test_an_attempt_that_hangs_is_given_up_for_another(http: HttpClient) -> None:
    outcome, requests = await call(http, hang(), reply(), timeout_seconds=0.1)

    assert isinstance(outcome, HttpResponse)
    assert requests == 2


@pytest.mark.parametrize("method", ["POST", "PATCH"])
@pytest.mark.parametrize("fault", [reply(503), reply(429, Retry_After="0"), then_close(b""), hang()])
async def test_what_may_have_been_done_already_is_not_repeated(fault: Answer, method: Method, http: HttpClient) -> None:
    outcome, requests = await call(http, fault, reply(), method=method, timeout_seconds=0.1)

    assert not isinstance(outcome, HttpResponse) or outcome.status in {429, 503}
    assert requests == 1


async def test_unless_one_says_so(http: HttpClient) -> None:
    told = RetryConfig(attempts=3, backoff_base_seconds=0.001, any_method=True)
    outcome, requests = await call(http, reply(503), then_close(b""), reply(201), method="POST", retry=told)

    assert isinstance(outcome, HttpResponse)
    assert (outcome.status, requests) == (201, 3)


@pytest.mark.parametrize("status", [200, 304, 400, 404, 409, 429, 500, 501])
async def test_an_answer_that_would_be_the_same_again_is_final(status: int, http: HttpClient) -> None:
    """429 without Retry-After is among them: nobody said when to come back."""
    outcome, requests = await call(http, reply(status), reply())

    assert isinstance(outcome, HttpResponse)
    assert (outcome.status, requests) == (status, 1)


async def test_an_answer_that_cannot_be_taken_is_final(http: HttpClient) -> None:
    outcome, requests = await call(http, reply(body=b"x", Content_Encoding="br"), reply())

    assert isinstance(outcome, ExternalServiceError)
    assert requests == 1


async def test_attempts_are_bounded_and_the_last_outcome_counts(http: HttpClient) -> None:
    outcome, requests = await call(http, then_close(b""), reply(502), reply(503), reply())

    assert isinstance(outcome, HttpResponse)
    assert (outcome.status, requests) == (503, 3)

    outcome, requests = await call(http, reply(503), then_close(b""), retry=RetryConfig(attempts=2))
    assert isinstance(outcome, ExternalConnectionError)
    assert requests == 2


@pytest.mark.parametrize("status", [302, 404, 500, 503])
async def test_an_error_status_is_raised_after_all_attempts_unless_it_is_accepted(
    status: int, http: HttpClient
) -> None:
    async with faulty_server(reply(status)) as server:
        with pytest.raises(ExternalServiceError) as caught:
            await fetch_with_retry("GET", server.url, service="billing", client=http, retry=FAST)
        assert caught.value.message == f"billing: Answered with status {status}."
        assert caught.value.details == {"service": "billing", "status": status}
        assert len(server.requests) == (3 if status == 503 else 1)
        answer = await fetch_with_retry(
            "GET", server.url, service="billing", client=http, retry=RetryConfig(attempts=1), accept={status}
        )
        assert answer.status == status


async def test_the_statuses_that_are_worth_another_attempt_can_be_chosen(http: HttpClient) -> None:
    chosen = RetryConfig(attempts=2, backoff_base_seconds=0.001, statuses={409})

    assert (await call(http, reply(409), reply(), retry=chosen))[1] == 2
    assert (await call(http, reply(503), reply(), retry=chosen))[1] == 1


async def test_every_attempt_carries_the_whole_request(http: HttpClient) -> None:
    async with faulty_server(reply(503), reply()) as server:
        await fetch_with_retry(
            "PUT",
            server.url,
            service="billing",
            client=http,
            retry=FAST,
            json={"a": 1},
            headers={"X-Key": SecretStr("k")},
        )
    assert [(each.body, each.headers["x-key"]) for each in server.requests] == [(b'{"a":1}', "k")] * 2


async def test_the_total_time_cuts_off_an_attempt_that_hangs(http: HttpClient) -> None:
    began = time.monotonic()
    short = RetryConfig(attempts=9, total_seconds=0.1, backoff_base_seconds=0.001)
    outcome, requests = await call(http, reply(503), hang(), retry=short, timeout_seconds=30)

    assert isinstance(outcome, TimeoutError)
    assert time.monotonic() - began < 0.5
    assert requests == 2


async def test_no_wait_begins_that_would_outlast_the_total_time(http: HttpClient) -> None:
    began = time.monotonic()
    outcome, requests = await call(
        http, reply(503), retry=RetryConfig(total_seconds=0.5, backoff_base_seconds=1, jitter=0)
    )
    assert isinstance(outcome, HttpResponse)
    assert time.monotonic() - began < 0.45
    assert requests == 1


async def test_a_wait_is_waited(http: HttpClient) -> None:
    began = time.monotonic()
    _, requests = await call(http, reply(503), reply(), retry=RetryConfig(backoff_base_seconds=0.1, jitter=0))

    assert 0.1 <= time.monotonic() - began < 0.5
    assert requests == 2


NOW = datetime(2030, 1, 1, tzinfo=UTC)


def date_in(seconds: float) -> str:
    return format_datetime(NOW + timedelta(seconds=seconds), usegmt=True)


@pytest.mark.parametrize("status", [429, 503])
@pytest.mark.parametrize("value", ["3", "99999999", "9" * 5000, date_in(3), "Fri, 31 Dec 9999 23:59:59 GMT"])
async def test_a_service_that_wants_more_time_than_there_is_is_left_alone(
    status: int, value: str, http: HttpClient
) -> None:
    """In both forms; a date counts from the service's own clock, which is years ahead here."""
    began = time.monotonic()
    outcome, requests = await call(http, reply(status, Retry_After=value, Date=date_in(0)), reply())

    assert isinstance(outcome, HttpResponse)
    assert (outcome.status, requests) == (status, 1)
    assert time.monotonic() - began < 0.5


@pytest.mark.parametrize("status", [429, 503])
@pytest.mark.parametrize("value", ["0", date_in(0), date_in(-9), "Tue, 01 Jan 1980 00:00:00 GMT"])
async def test_a_service_that_is_back_at_once_is_asked_at_once(status: int, value: str, http: HttpClient) -> None:
    outcome, requests = await call(http, reply(status, Retry_After=value, Date=date_in(0)), reply(204))

    assert isinstance(outcome, HttpResponse)
    assert (outcome.status, requests) == (204, 2)


NONSENSE = [
    "-1",
    "1.5",
    "soon",
    "²",
    "0x1",
    "1e9",
    "Fri, 99 Foo 2030 00:00:00 GMT",
    "Fri, 1 Jan 99999999999 00:00:00 GMT",
]


@pytest.mark.parametrize("value", NONSENSE)
async def test_a_retry_after_that_says_nothing_is_as_none(value: str, http: HttpClient) -> None:
    """503 is asked again by the backoff; 429 is not asked by guesswork."""
    rest = b" x\r\nContent-Length: 0\r\nRetry-After: " + value.encode() + b"\r\n\r\n"

    assert (await call(http, raw(b"HTTP/1.1 503" + rest), reply()))[1] == 2
    assert (await call(http, raw(b"HTTP/1.1 429" + rest), reply()))[1] == 1


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"retry-after": " 120 "}, 120),
        ({"retry-after": date_in(120), "date": date_in(100)}, 20),
        ({"retry-after": date_in(120).replace("GMT", "-0000"), "date": date_in(0)}, 120),
        ({"retry-after": date_in(-120), "date": date_in(0)}, 0),
        ({"retry-after": "Fri, 31 Dec 1999 23:59:59 GMT", "date": "nonsense"}, 0),
        ({"retry-after": "9" * 400}, float("inf")),
        ({}, None),
    ],
)
def test_how_long_retry_after_asks_for(headers: dict[str, str], seconds: float | None) -> None:
    limited = HttpResponse(service="billing", status=429, headers=headers, body=b"")
    assert RetryConfig(backoff_base_seconds=0).wait_seconds("GET", 1, limited) == seconds


async def test_where_nobody_is_ends_after_the_attempts(http: HttpClient) -> None:
    with pytest.raises(ExternalConnectionError):
        await fetch_with_retry("GET", unused_url(), service="billing", client=http, retry=FAST)


def test_waits_grow_up_to_the_cap_and_are_spread() -> None:
    failed = ExternalConnectionError("billing", "x")
    even = RetryConfig(attempts=2000, backoff_base_seconds=1, backoff_cap_seconds=5, jitter=0)
    assert [even.wait_seconds("GET", attempt, failed) for attempt in (1, 2, 3, 4, 1999)] == [1, 2, 4, 5, 5]
    assert even.wait_seconds("GET", 2000, failed) is None

    spread = RetryConfig(attempts=9, backoff_base_seconds=1, backoff_cap_seconds=5, jitter=0.5)
    waits = [spread.wait_seconds("GET", 3, failed) or 0 for _ in range(200)]
    assert 2 <= min(waits) < 2.5
    assert 3.5 < max(waits) <= 4

    # Retry-After is the least: what is random comes on top.
    limited = HttpResponse(service="billing", status=429, headers={"retry-after": "7"}, body=b"")
    assert all(7 <= (spread.wait_seconds("GET", 1, limited) or 0) <= 8 for _ in range(50))


@pytest.mark.parametrize(
    "wrong",
    [
        {"attempts": 0},
        {"total_seconds": 0},
        {"total_seconds": float("inf")},
        {"total_seconds": float("nan")},
        {"backoff_base_seconds": -1},
        {"backoff_base_seconds": 6},
        {"backoff_cap_seconds": float("inf")},
        {"jitter": 1.1},
    ],
)
def test_limits_that_are_none_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="must be"):
        RetryConfig(**wrong)  # type: ignore[arg-type]
