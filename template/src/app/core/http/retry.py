"""Calls to another service that are repeated where that may help."""

import asyncio
import itertools
import random
from collections.abc import Container, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import Final, Unpack

from app.core.exceptions import AppException, ExternalServiceError, TimeoutError
from app.core.http.answers import HttpResponse
from app.core.http.fetch import (
    ANY_STATUS,
    DEFAULT_TIMEOUT,
    SUCCESS,
    CallOptions,
    ExternalConnectionError,
    Method,
    fetch_with_timeout,
    require_accepted,
)
from app.core.logging import get_logger

logger = get_logger(__name__)

# RFC 9110, 9.2.2: doing it twice has the effect of doing it once.
_IDEMPOTENT: Final[frozenset[Method]] = frozenset({"DELETE", "GET", "HEAD", "OPTIONS", "PUT"})
_LONGEST_BACKOFF: Final = 5.0


@dataclass(frozen=True, kw_only=True)
class RetryConfig:
    """Limits of repetition.

    Attributes:
        attempts: The number of requests at most, the first included.
        total_seconds: For all of it, the attempts themselves included: an attempt under way is cut off.
        backoff_seconds: The wait after the first attempt at most; it doubles with each further one, up to 5 s. A random
            part of it is waited (AWS Architecture Blog, "Exponential Backoff And Jitter", 2015).
        statuses: Those that are worth another attempt; 429 is, if the service says when.
        any_method: Repeat POST and PATCH, too: only where the service notices a duplicate (an idempotency key).
    """

    attempts: int = 3
    total_seconds: float = 45.0
    backoff_seconds: float = 0.1
    statuses: Container[int] = frozenset({502, 503, 504})
    any_method: bool = False

    def wait_seconds(self, method: Method, attempt: int, outcome: HttpResponse | AppException) -> float | None:
        """Return the wait before the next attempt, None if there shall be none.

        `Retry-After` is the least wait, and the backoff comes on top, or every client would be back in the same second.
        """
        if attempt >= self.attempts or not (self.any_method or method in _IDEMPOTENT):
            return None
        least = None
        if isinstance(outcome, HttpResponse):
            least = _retry_after_seconds(outcome.headers)
            is_limited = outcome.status == HTTPStatus.TOO_MANY_REQUESTS and least is not None
            if not is_limited and outcome.status not in self.statuses:
                return None
        elif not isinstance(outcome, ExternalConnectionError | TimeoutError):
            return None
        backoff = min(_LONGEST_BACKOFF, self.backoff_seconds * 2.0 ** (attempt - 1))
        return (least or 0.0) + backoff * random.random()  # noqa: S311 — spreads load, guards nothing


_DEFAULT_RETRY: Final = RetryConfig()


async def fetch_with_retry(
    method: Method, url: str, *, retry: RetryConfig = _DEFAULT_RETRY, **options: Unpack[CallOptions]
) -> HttpResponse:
    """Call another service, again where that may help.

    The options and errors are those of `fetch_with_timeout`, with the timeout for each attempt. The last attempt's
    outcome is the call's. No wait begins that would end after the total time.
    """
    clock, service = asyncio.get_running_loop().time, options["service"]
    deadline = clock() + retry.total_seconds
    accepted, seconds = options.get("accept", SUCCESS), options.get("timeout_seconds", DEFAULT_TIMEOUT)
    for attempt in itertools.count(1):
        options = {**options, "accept": ANY_STATUS, "timeout_seconds": min(seconds, deadline - clock())}
        outcome: HttpResponse | AppException
        try:
            outcome = await fetch_with_timeout(method, url, **options)
        except (ExternalServiceError, TimeoutError) as err:
            outcome = err
        wait = retry.wait_seconds(method, attempt, outcome)
        if wait is None or clock() + wait >= deadline:
            break
        reason = outcome.status if isinstance(outcome, HttpResponse) else type(outcome).__name__
        logger.warning("http retry", service=service, method=method, attempt=attempt, reason=reason, wait_seconds=wait)
        await asyncio.sleep(wait)
    if isinstance(outcome, AppException):
        raise outcome
    require_accepted(outcome.status, accepted, service, f"http.{method}")
    return outcome


def _retry_after_seconds(headers: Mapping[str, str]) -> float | None:
    """Return the wait that `Retry-After` asks for (RFC 9110, 10.2.3), None if it says nothing."""
    value = headers.get("retry-after", "").strip()
    if value.isascii() and value.isdigit():
        # Not int(): that refuses more than 4300 digits, where a float is just infinite.
        return float(value)
    try:
        # HTTP's dates are in GMT whatever they say (RFC 9110, 5.6.7).
        until = parsedate_to_datetime(value).replace(tzinfo=UTC)
    except (ValueError, OverflowError):
        return None
    return max(0.0, (until - datetime.now(UTC)).total_seconds())
