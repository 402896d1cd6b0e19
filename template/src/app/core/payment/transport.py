"""The SDK's way out: through `app.core.http`, as all calls to other services go.

The SDK's own clients wait 80 s for each attempt and without end for all of them, ignore this application's proxy and
certificate authorities, and send along which machine and which programs they run on.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from http import HTTPStatus
from typing import Any, Final

import stripe
from pydantic import SecretStr

from app.core.exceptions import AppException
from app.core.http import ANY_STATUS, HttpResponse, Method, RetryConfig, fetch_with_retry

SERVICE: Final = "Stripe"

# What the API needs. The SDK would add facts about this machine, and how long earlier calls took.
_SENT: Final = frozenset({"authorization", "content-type", "idempotency-key", "stripe-version"})
_METHODS: Final[Mapping[str, Method]] = {"delete": "DELETE", "get": "GET", "post": "POST"}
# Another request holds the object or the key; there are too many. Stripe asks for both to be repeated, later and with
# the same key (documentation, "Advanced error handling" and "Rate limits").
_LATER: Final = frozenset({HTTPStatus.CONFLICT, HTTPStatus.TOO_MANY_REQUESTS})


@dataclass(frozen=True, kw_only=True)
class StripeRetry(RetryConfig):
    """When to repeat a call to Stripe, which notices a duplicate by its key: Stripe's own advice comes first."""

    any_method: bool = True

    def wait_seconds(self, method: Method, attempt: int, outcome: HttpResponse | AppException) -> float | None:
        """See `RetryConfig`. 429 is worth a wait here although Stripe does not say how long."""
        if isinstance(outcome, HttpResponse):
            advice = outcome.headers.get("stripe-should-retry")
            failed = outcome.status in _LATER or outcome.status >= HTTPStatus.INTERNAL_SERVER_ERROR
            if advice == "false" or not (failed or advice == "true"):
                return None
            outcome = replace(outcome, status=HTTPStatus.SERVICE_UNAVAILABLE)
        return super().wait_seconds(method, attempt, outcome)


class Transport(stripe.HTTPClient):
    """The HTTP client that the SDK sends with.

    Args:
        timeout_seconds: For each attempt.
        retry: Bounds attempts and the time for all of them.
    """

    name = "app"

    def __init__(self, *, timeout_seconds: float, retry: StripeRetry) -> None:
        super().__init__()
        self._timeout_seconds = timeout_seconds
        self._retry = retry

    async def request_with_retries_async(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str],
        post_data: Any = None,  # noqa: ANN401 — the SDK's own signature
        max_network_retries: int | None = None,  # noqa: ARG002 — ours decides, see StripeRetry
        *,
        _usage: list[str] | None = None,
    ) -> tuple[bytes, int, Mapping[str, str]]:
        """Send one call, and again where that may help, always with the same headers and so the same key.

        Raises:
            ExternalServiceError: See `fetch_with_retry`.
            TimeoutError: See there.
        """
        sent = {name: SecretStr(value) for name, value in headers.items() if name.lower() in _SENT}
        answer = await fetch_with_retry(
            _METHODS[method],
            url,
            service=SERVICE,
            retry=self._retry,
            headers=sent,
            accept=ANY_STATUS,
            timeout_seconds=self._timeout_seconds,
            **({"content": post_data.encode()} if post_data else {}),
        )
        return answer.body, answer.status, answer.headers
