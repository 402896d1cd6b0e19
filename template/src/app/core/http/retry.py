"""When to ask again, and how long to wait before: nothing in here waits or sends."""

import math
import random
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import Final

from app.core.exceptions import AppException, TimeoutError
from app.core.http.errors import ExternalConnectionError
from app.core.http.request import IDEMPOTENT, Method
from app.core.http.response import HttpResponse

# Somebody on the way could not reach the service, or it said that it is not there for the moment.
_TEMPORARY: Final = frozenset({HTTPStatus.BAD_GATEWAY, HTTPStatus.SERVICE_UNAVAILABLE, HTTPStatus.GATEWAY_TIMEOUT})


@dataclass(frozen=True, kw_only=True)
class RetryConfig:
    """How often and how long to try. Attempts and times are stamina's defaults, with full jitter.

    Attributes:
        attempts: How many requests are sent at most, the first included.
        total_seconds: For all of it, the attempts themselves included: an attempt under way is cut off.
        backoff_base_seconds: The wait after the first attempt; it doubles with each further one.
        backoff_cap_seconds: The longest such wait.
        jitter: The share of a wait that is random, from 0 to 1. With 1, those who failed together come back spread
            out evenly (AWS Architecture Blog, "Exponential Backoff And Jitter", 2015: it needs the fewest calls).
        any_method: Whether POST and PATCH are repeated, too. Only for services that notice a duplicate, for instance
            by an idempotency key.
    """

    attempts: int = 3
    total_seconds: float = 45.0
    backoff_base_seconds: float = 0.1
    backoff_cap_seconds: float = 5.0
    jitter: float = 1.0
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
        """How long to wait before the next attempt; None if there shall be none.

        502, 503, 504, timeouts and broken connections are worth another attempt. So is 429, but only if the service
        says when: a limiter that is asked again by guesswork extends the ban. `Retry-After` is the least wait, and the
        backoff comes on top, or everybody would be back in the same second.

        Args:
            method: Of the request.
            attempt: Which attempt this was, from 1.
            outcome: What came of it.
        """
        if attempt >= self.attempts or not (self.any_method or method in IDEMPOTENT):
            return None
        least: float | None = None
        if isinstance(outcome, HttpResponse):
            least = retry_after_seconds(outcome.headers, now=datetime.now(UTC))
            if outcome.status not in _TEMPORARY and (outcome.status != HTTPStatus.TOO_MANY_REQUESTS or least is None):
                return None
        elif not isinstance(outcome, ExternalConnectionError | TimeoutError):
            return None
        # The exponent is bounded because 2.0**1024 is an error.
        backoff = min(self.backoff_cap_seconds, self.backoff_base_seconds * 2.0 ** min(attempt - 1, 64))
        return (least or 0.0) + backoff * (1 - self.jitter * random.random())  # noqa: S311 — spreads load, guards nothing


def retry_after_seconds(headers: Mapping[str, str], *, now: datetime) -> float | None:
    """What `Retry-After` (RFC 9110, 10.2.3) asks for: 0 or more, infinity included; None where it is missing or wrong.

    A date counts from the answer's own `Date`, so that it does not matter whose clock is right.

    Args:
        headers: By lower-case names.
        now: Stands in for a missing `Date`; timezone-aware.
    """
    value = headers.get("retry-after", "").strip()
    if re.fullmatch("[0-9]+", value):
        # Not int(): that refuses more than 4300 digits, where a float is just infinite.
        return float(value)
    until = _http_date(value)
    if until is None:
        return None
    return max(0.0, (until - (_http_date(headers.get("date", "")) or now)).total_seconds())


def _http_date(value: str) -> datetime | None:
    try:
        date = parsedate_to_datetime(value)
    except (ValueError, OverflowError):
        return None
    # HTTP's dates are in GMT whatever they say (RFC 9110, 5.6.7).
    return date if date.tzinfo else date.replace(tzinfo=UTC)
