"""`fetch_with_retry`: the calls that are repeated and those that are not, counted where the requests arrive."""

import time
from typing import Any

import httpx
import pytest
from dirty_equals import IsFloat

from app.core.exceptions import AppException, ExternalServiceError, TimeoutError
from app.core.http import ANY_STATUS, ExternalConnectionError, HttpResponse, Method, RetryConfig, fetch_with_retry
from tests.servers.http import Answer, faulty_server, hang, reply, then_close

pytestmark = pytest.mark.anyio

FAST = RetryConfig(attempts=3, total_seconds=60, backoff_seconds=0.001)


async def call(
    http: httpx.AsyncClient, *answers: Answer, method: Method = "GET", retry: RetryConfig = FAST, seconds: float = 30
) -> tuple[object, int]:
    """Return the status or the error's class, and the number of requests that arrived."""
    options: Any = {"service": "billing", "client": http, "timeout_seconds": seconds, "accept": ANY_STATUS}
    async with faulty_server(*answers) as server:
        try:
            outcome: object = (await fetch_with_retry(method, server.url, retry=retry, **options)).status
        except AppException as err:
            outcome = type(err)
        return outcome, len(server.requests)


@pytest.mark.parametrize(
    ("method", "requests"),
    [("GET", 2), ("HEAD", 2), ("OPTIONS", 2), ("PUT", 2), ("DELETE", 2), ("POST", 1), ("PATCH", 1)],
)
@pytest.mark.parametrize("fault", [reply(503), reply(429, Retry_After="0"), then_close(b"")])
async def test_fetch_with_retry_does_not_repeat_what_may_have_been_done(
    fault: Answer, method: Method, requests: int, http: httpx.AsyncClient
) -> None:
    assert (await call(http, fault, reply(204), method=method))[1] == requests
    told = RetryConfig(attempts=3, backoff_seconds=0.001, any_method=True)
    assert (await call(http, fault, reply(204), method=method, retry=told))[1] == 2


@pytest.mark.parametrize("status", [200, 304, 400, 404, 409, 500, 501])
async def test_fetch_with_retry_takes_an_answer_that_would_be_the_same_again(
    status: int, http: httpx.AsyncClient
) -> None:
    assert await call(http, reply(status), reply()) == (status, 1)


async def test_fetch_with_retry_bounds_attempts_and_the_last_outcome_counts(http: httpx.AsyncClient) -> None:
    assert await call(http, then_close(b""), reply(502), reply(503), reply()) == (503, 3)
    twice = RetryConfig(attempts=2)
    assert await call(http, reply(503), then_close(b""), retry=twice) == (ExternalConnectionError, 2)
    # An answer that is refused comes again.
    assert await call(http, reply(body=b"x", Content_Encoding="br"), reply()) == (ExternalServiceError, 1)


@pytest.mark.parametrize("status", [302, 404, 500, 503])
async def test_fetch_with_retry_raises_an_error_status_after_all_attempts(status: int, http: httpx.AsyncClient) -> None:
    async with faulty_server(reply(status)) as server:
        with pytest.raises(ExternalServiceError) as caught:
            await fetch_with_retry("GET", server.url, service="billing", client=http, retry=FAST)
    assert caught.value.message == f"billing: Answered with status {status}."
    assert (caught.value.details, caught.value.operation) == ({"service": "billing", "status": status}, "http.GET")
    assert len(server.requests) == (3 if status == 503 else 1)


async def test_fetch_with_retry_repeats_the_statuses_it_is_told(http: httpx.AsyncClient) -> None:
    chosen = RetryConfig(attempts=2, backoff_seconds=0.001, statuses={409})

    assert await call(http, reply(409), reply(), retry=chosen) == (200, 2)
    assert await call(http, reply(503), reply(), retry=chosen) == (503, 1)


async def test_fetch_with_retry_cuts_off_an_attempt_at_the_total_time(http: httpx.AsyncClient) -> None:
    began = time.monotonic()
    short = RetryConfig(attempts=9, total_seconds=1, backoff_seconds=0.001)

    assert await call(http, reply(503), hang(), retry=short, seconds=30) == (TimeoutError, 2)
    assert time.monotonic() - began < 10


@pytest.mark.parametrize("status", [429, 503])
async def test_fetch_with_retry_waits_for_retry_after_or_gives_up_if_that_is_too_long(
    status: int, http: httpx.AsyncClient
) -> None:
    began = time.monotonic()
    assert await call(http, reply(status, Retry_After="300"), reply()) == (status, 1)
    assert time.monotonic() - began < 30

    assert await call(http, reply(status, Retry_After="1"), reply()) == (200, 2)
    assert time.monotonic() - began >= 1


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        (" 120 ", 120),
        ("Fri, 01 Jan 2100 00:00:00 GMT", IsFloat(gt=1e9)),
        ("Fri, 31 Dec 1999 23:59:59 GMT", 0),
        *((wrong, 0) for wrong in ("", "-1", "soon", "²", "9" * 400, "9" * 5000, "Fri, 99 Foo 2030 00:00:00 GMT")),
    ],
)
def test_wait_seconds_reads_retry_after(value: str, seconds: float) -> None:
    limited = HttpResponse(service="billing", status=429, headers={"retry-after": value}, body=b"")
    assert RetryConfig(backoff_seconds=0).wait_seconds("GET", 1, limited) == seconds


def test_wait_seconds_grows_up_to_a_limit_and_is_spread() -> None:
    failed = ExternalConnectionError("billing", "x")
    spread = RetryConfig(attempts=20, backoff_seconds=1)
    for attempt, longest in ((1, 1), (2, 2), (3, 4), (4, 5), (19, 5)):
        waits = [spread.wait_seconds("GET", attempt, failed) or 0 for _ in range(300)]
        assert 0 <= min(waits) < 0.2 * longest
        assert 0.8 * longest < max(waits) <= longest
    assert spread.wait_seconds("GET", 20, failed) is None

    # Retry-After is the least: what is random comes on top.
    limited = HttpResponse(service="billing", status=429, headers={"retry-after": "7"}, body=b"")
    assert all(7 <= (spread.wait_seconds("GET", 1, limited) or 0) <= 8 for _ in range(50))
