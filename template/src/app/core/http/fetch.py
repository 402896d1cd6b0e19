"""The ways to call another service: once, until it works or the limits are reached, or in pieces."""

import asyncio
import math
import random
import re
import time
from collections.abc import AsyncIterator, Container, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Final, TypeVar, Unpack

from app.core.exceptions import AppException, ExternalServiceError, TimeoutError
from app.core.http.answers import Answer, HttpResponse, HttpStream
from app.core.http.client import DEFAULT_TIMEOUT, HttpClient, Method, RequestOptions
from app.core.http.door import get_http_client
from app.core.http.failures import ExternalConnectionError
from app.core.logging import get_logger

A = TypeVar("A", bound=Answer)

logger = get_logger(__name__)

# Seconds: models think before they answer; receivers of webhooks are asked to answer at once and work later.
LLM_TIMEOUT: Final = 120.0
WEBHOOK_TIMEOUT: Final = 10.0

SUCCESS: Final = range(200, 300)
ANY_STATUS: Final = range(100, 1000)
# RFC 9110, 9.2.2: doing it twice has the effect of doing it once.
_IDEMPOTENT: Final[frozenset[Method]] = frozenset({"DELETE", "GET", "HEAD", "OPTIONS", "PUT"})
_TOO_MANY_REQUESTS: Final = 429


@dataclass(frozen=True, kw_only=True)
class RetryConfig:
    """Limits of repetition. Attempts and times are stamina's defaults, with full jitter.

    Attributes:
        attempts: The number of requests at most, the first included.
        total_seconds: For all of it, the attempts themselves included: an attempt under way is cut off.
        backoff_base_seconds: The wait after the first attempt; it doubles with each further one.
        backoff_cap_seconds: The longest such wait.
        jitter: The share of a wait that is random, from 0 to 1. With 1, those who failed together come back spread
            out evenly (AWS Architecture Blog, "Exponential Backoff And Jitter", 2015: it needs the fewest calls).
        statuses: Those that are worth another attempt. 429 is, if the service says when: a limiter that is asked
            again by guesswork extends the ban.
        any_method: Repeat POST and PATCH, too. Only for services that notice a duplicate, for instance by an
            idempotency key.
    """

    attempts: int = 3
    total_seconds: float = 45.0
    backoff_base_seconds: float = 0.1
    backoff_cap_seconds: float = 5.0
    jitter: float = 1.0
    statuses: Container[int] = frozenset({502, 503, 504})
    any_method: bool = False

    def __post_init__(self) -> None:
        """Refuse what would never end or never begin."""
        if self.attempts < 1:
            raise ValueError("attempts must be at least 1.")
        if not 0 < self.total_seconds < math.inf:
            raise ValueError("total_seconds must be above 0 and finite.")
        if not 0 <= self.backoff_base_seconds <= self.backoff_cap_seconds < math.inf:
            raise ValueError("backoff_base_seconds must be between 0 and backoff_cap_seconds.")
        if not 0 <= self.jitter <= 1:
            raise ValueError("jitter must be between 0 and 1.")

    def wait_seconds(self, method: Method, attempt: int, outcome: HttpResponse | AppException) -> float | None:
        """Return the wait before the next attempt; None if there shall be none.

        Timeouts and broken connections are worth another attempt, and the statuses above. `Retry-After` is the least
        wait, and the backoff comes on top, or every client would be back in the same second.

        Args:
            method: Of the request.
            attempt: The number of this attempt, from 1.
            outcome: Its answer or failure.
        """
        if attempt >= self.attempts or not (self.any_method or method in _IDEMPOTENT):
            return None
        least: float | None = None
        if isinstance(outcome, HttpResponse):
            least = _retry_after_seconds(outcome.headers)
            if outcome.status not in self.statuses and (outcome.status != _TOO_MANY_REQUESTS or least is None):
                return None
        elif not isinstance(outcome, ExternalConnectionError | TimeoutError):
            return None
        # The exponent is bounded because 2.0**1024 is an error.
        backoff = min(self.backoff_cap_seconds, self.backoff_base_seconds * 2.0 ** min(attempt - 1, 64))
        return (least or 0.0) + backoff * (1 - self.jitter * random.random())  # noqa: S311 — spreads load, guards nothing


_DEFAULT_RETRY: Final = RetryConfig()


async def fetch_with_timeout(
    method: Method, url: str, *, service: str, client: HttpClient | None = None, **options: Unpack[RequestOptions]
) -> HttpResponse:
    """Call another service once.

    Args:
        method: HTTP method.
        url: Absolute. It appears in no message and in no line of the log.
        service: The other side's name in messages, such as "billing". Clients may see it.
        client: The process's unless given; `get_public_client()` for a URL that a user chose.
        options: See `RequestOptions`; the timeout is for the whole call, however slowly the answer trickles in.

    Raises:
        ExternalConnectionError: No connection, or one that broke before the answer was complete.
        ExternalServiceError: A status that is not accepted (it is in the details), an answer that is too large or
            compressed in an unknown way, a redirect that is not followed, a certificate that is not valid, a URL or
            header that cannot be sent, an address that may not be called.
        TimeoutError: There was no complete answer in time.
        ValueError: The options contradict each other.
    """
    _check(options)
    return _accepted(await _exchange(client, method, url, service, options), method, options)


async def fetch_with_retry(
    method: Method,
    url: str,
    *,
    service: str,
    retry: RetryConfig = _DEFAULT_RETRY,
    client: HttpClient | None = None,
    **options: Unpack[RequestOptions],
) -> HttpResponse:
    """Call another service, again where that may help; POST and PATCH once, unless `retry` says otherwise.

    The arguments and errors are those of `fetch_with_timeout`, with the timeout for each attempt. The last attempt's
    outcome is the call's. No wait begins that would end after the total time.
    """
    _check(options)
    deadline, attempt = time.monotonic() + retry.total_seconds, 0
    each_seconds = options.get("timeout_seconds", DEFAULT_TIMEOUT)
    while True:
        attempt += 1
        left = max(deadline - time.monotonic(), 0)
        outcome: HttpResponse | AppException
        try:
            outcome = await _exchange(
                client, method, url, service, {**options, "timeout_seconds": min(each_seconds, left)}
            )
        except (ExternalServiceError, TimeoutError) as err:
            outcome = err
        wait = retry.wait_seconds(method, attempt, outcome)
        if wait is None or time.monotonic() + wait >= deadline:
            break
        reason = outcome.status if isinstance(outcome, HttpResponse) else type(outcome).__name__
        logger.warning("http retry", service=service, method=method, attempt=attempt, reason=reason, wait_seconds=wait)
        await asyncio.sleep(wait)
    if isinstance(outcome, AppException):
        raise outcome
    return _accepted(outcome, method, options)


@asynccontextmanager
async def fetch_stream(
    method: Method,
    url: str,
    *,
    service: str,
    client: HttpClient | None = None,
    total_seconds: float = 600.0,
    **options: Unpack[RequestOptions],
) -> AsyncIterator[HttpStream]:
    """Call another service and read its answer as it comes: server-sent events, or a large file.

        async with fetch_stream("POST", url, service="models", json=prompt, timeout_seconds=LLM_TIMEOUT) as answer:
            async for kind, data in answer.events():

    The arguments and errors are those of `fetch_with_timeout`, with the timeout for the answer's beginning and for each
    piece; reading the answer raises them, too. A large file needs its `max_response_bytes`.
    """
    _check(options)
    used = client or get_http_client()
    async with used.stream(method, url, service, options, total_seconds=total_seconds) as answer:
        yield _accepted(answer, method, options)


async def _exchange(
    client: HttpClient | None, method: Method, url: str, service: str, options: RequestOptions
) -> HttpResponse:
    seconds = options.get("timeout_seconds", DEFAULT_TIMEOUT)
    used = client or get_http_client()
    async with used.stream(method, url, service, options, total_seconds=seconds) as answer:
        body = b"".join([piece async for piece in answer.pieces])
    return HttpResponse(service=service, status=answer.status, headers=answer.headers, body=body)


def _check(options: RequestOptions) -> None:
    if "json" in options and "content" in options:
        raise ValueError("Give either json or content, not both.")
    if not options.get("timeout_seconds", DEFAULT_TIMEOUT) > 0:
        raise ValueError("timeout_seconds must be above 0.")


def _accepted(answer: A, method: Method, options: RequestOptions) -> A:
    if answer.status in options.get("accept", SUCCESS):
        return answer
    sentence, details = f"Answered with status {answer.status}.", {"status": answer.status}
    raise ExternalServiceError(answer.service, sentence, details=details, operation=f"http.{method}")


def _retry_after_seconds(headers: Mapping[str, str]) -> float | None:
    """Return the wait that `Retry-After` asks for (RFC 9110, 10.2.3), infinity included; None if it says nothing.

    A date counts from the answer's own `Date`, so that it does not matter whose clock is right.
    """
    value = headers.get("retry-after", "").strip()
    if re.fullmatch("[0-9]+", value):
        # Not int(): that refuses more than 4300 digits, where a float is just infinite.
        return float(value)
    until, now = _http_date(value), _http_date(headers.get("date", "")) or datetime.now(UTC)
    return None if until is None else max(0.0, (until - now).total_seconds())


def _http_date(value: str) -> datetime | None:
    try:
        date = parsedate_to_datetime(value)
    except (ValueError, OverflowError):
        return None
    # HTTP's dates are in GMT whatever they say (RFC 9110, 5.6.7).
    return date if date.tzinfo else date.replace(tzinfo=UTC)
