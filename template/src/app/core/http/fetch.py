"""The ways to call another service: once, until it works or the limits are reached, or in pieces."""

import asyncio
import random
import re
import time
from collections.abc import AsyncIterator, Awaitable, Container, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Final, Literal, TypedDict, TypeVar, Unpack

from pydantic import BaseModel, JsonValue
from pydantic_core import to_json

from app.core.exceptions import AppException, ExternalServiceError, TimeoutError
from app.core.http.answers import Answer, HttpResponse, HttpStream, unpack
from app.core.http.client import Headers, get_http_client, open_headers
from app.core.http.failures import ExternalConnectionError, without_quotes
from app.core.logging import get_logger

if TYPE_CHECKING:
    import httpx

A = TypeVar("A", bound=Answer)
T = TypeVar("T")
Method = Literal["DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT"]

logger = get_logger(__name__)

# Seconds for a whole call, from the first byte out to the last byte in. Models think before they answer; receivers of
# webhooks are asked to answer at once and work later.
DEFAULT_TIMEOUT: Final = 30.0
LLM_TIMEOUT: Final = 120.0
WEBHOOK_TIMEOUT: Final = 10.0

ANY_STATUS: Final = range(100, 1000)
_SUCCESS: Final = range(200, 300)
# Generous for JSON.
_MAX_BYTES: Final = 10 * 1024 * 1024
# RFC 9110, 9.2.2: doing it twice has the effect of doing it once.
_IDEMPOTENT: Final[frozenset[Method]] = frozenset({"DELETE", "GET", "HEAD", "OPTIONS", "PUT"})
_TOO_MANY_REQUESTS: Final = 429
_LONGEST_BACKOFF: Final = 5.0


class RequestOptions(TypedDict, total=False):
    """The options of a call, beside method, URL and service.

    Attributes:
        headers: For this call, over the client's own. A SecretStr is opened when it is sent.
        params: Added to the URL's query.
        json: The body, with its content type.
        content: The body as bytes, without json; give its Content-Type in the headers.
        accept: The statuses that are answers; any other is an ExternalServiceError. 200 to 299 unless given. A redirect
            is not followed, since only its caller knows what another host may be told: accept it, read its `location`.
        timeout_seconds: For the whole call; DEFAULT_TIMEOUT unless given.
        max_response_bytes: The size of the answer at most, once decompressed; 10 MiB unless given.
    """

    headers: Headers
    params: Mapping[str, str | int | float | bool]
    json: JsonValue | BaseModel
    content: bytes
    accept: Container[int]
    timeout_seconds: float
    max_response_bytes: int


@dataclass(frozen=True, kw_only=True)
class RetryConfig:
    """Limits of repetition. Attempts and times are stamina's defaults.

    Attributes:
        attempts: The number of requests at most, the first included.
        total_seconds: For all of it, the attempts themselves included: an attempt under way is cut off.
        backoff_seconds: The wait after the first attempt at most; it doubles with each further one, up to 5 s. A random
            part of it is waited, so that those who failed together come back spread out (AWS Architecture Blog,
            "Exponential Backoff And Jitter", 2015: it needs the fewest calls).
        statuses: Those that are worth another attempt. 429 is, if the service says when: a limiter that is asked
            again by guesswork extends the ban.
        any_method: Repeat POST and PATCH, too. Only for services that notice a duplicate, for instance by an
            idempotency key.
    """

    attempts: int = 3
    total_seconds: float = 45.0
    backoff_seconds: float = 0.1
    statuses: Container[int] = frozenset({502, 503, 504})
    any_method: bool = False

    def wait_seconds(self, method: Method, attempt: int, outcome: HttpResponse | AppException) -> float | None:
        """Return the wait before the next attempt, None if there shall be none.

        Timeouts and broken connections are worth another attempt, and the statuses above. `Retry-After` is the least
        wait, and the backoff comes on top, or every client would be back in the same second.
        """
        if attempt >= self.attempts or not (self.any_method or method in _IDEMPOTENT):
            return None
        least = None
        if isinstance(outcome, HttpResponse):
            least = _retry_after_seconds(outcome.headers)
            if outcome.status not in self.statuses and (outcome.status != _TOO_MANY_REQUESTS or least is None):
                return None
        elif not isinstance(outcome, ExternalConnectionError | TimeoutError):
            return None
        # The exponent is bounded because 2.0**1024 is an error.
        backoff = min(_LONGEST_BACKOFF, self.backoff_seconds * 2.0 ** min(attempt - 1, 64))
        return (least or 0.0) + backoff * random.random()  # noqa: S311 — spreads load, guards nothing


_DEFAULT_RETRY: Final = RetryConfig()


async def fetch_with_timeout(
    method: Method,
    url: str,
    *,
    service: str,
    client: "httpx.AsyncClient | None" = None,
    **options: Unpack[RequestOptions],
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
            compressed in an unknown way, a certificate that is not valid, a URL or header that cannot be sent, an
            address that may not be called.
        TimeoutError: There was no complete answer in time.
    """
    seconds = options.get("timeout_seconds", DEFAULT_TIMEOUT)
    async with fetch_stream(method, url, service=service, client=client, total_seconds=seconds, **options) as answer:
        body = b"".join([piece async for piece in answer.pieces])
    return HttpResponse(service=service, status=answer.status, headers=answer.headers, body=body)


async def fetch_with_retry(
    method: Method,
    url: str,
    *,
    service: str,
    retry: RetryConfig = _DEFAULT_RETRY,
    client: "httpx.AsyncClient | None" = None,
    **options: Unpack[RequestOptions],
) -> HttpResponse:
    """Call another service, again where that may help; POST and PATCH once, unless `retry` says otherwise.

    The arguments and errors are those of `fetch_with_timeout`, with the timeout for each attempt. The last attempt's
    outcome is the call's. No wait begins that would end after the total time.
    """
    deadline, attempt = time.monotonic() + retry.total_seconds, 0
    accepted, seconds = options.get("accept", _SUCCESS), options.get("timeout_seconds", DEFAULT_TIMEOUT)
    while True:
        attempt += 1
        left = max(deadline - time.monotonic(), 0)
        options = {**options, "accept": ANY_STATUS, "timeout_seconds": min(seconds, left)}
        outcome: HttpResponse | AppException
        try:
            outcome = await fetch_with_timeout(method, url, service=service, client=client, **options)
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
    return _accepted(outcome, method, accepted)


@asynccontextmanager
async def fetch_stream(
    method: Method,
    url: str,
    *,
    service: str,
    client: "httpx.AsyncClient | None" = None,
    total_seconds: float = 600.0,
    **options: Unpack[RequestOptions],
) -> AsyncIterator[HttpStream]:
    """Call another service and read its answer as it comes: server-sent events, or a large file.

        async with fetch_stream("POST", url, service="models", json=prompt, timeout_seconds=LLM_TIMEOUT) as answer:
            async for kind, data in answer.events():

    The arguments and errors are those of `fetch_with_timeout`, with the timeout for the answer's beginning and for each
    piece; reading the answer raises them, too. A large file needs its `max_response_bytes`.
    """
    used, began, outcome, response = client or get_http_client(), time.monotonic(), "failed", None
    seconds = min(options.get("timeout_seconds", DEFAULT_TIMEOUT), total_seconds)

    async def bounded(step: Awaitable[T]) -> T:
        left = min(seconds, began + total_seconds - time.monotonic())
        return await without_quotes(step, service=service, method=method, seconds=left)

    async def pieces(unpacked: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
        while piece := await bounded(anext(unpacked, b"")):
            yield piece

    try:
        response = await bounded(_send(used, method, url, seconds, options))
        outcome, headers = str(response.status_code), dict(response.headers)
        limit = options.get("max_response_bytes", _MAX_BYTES)
        body = unpack(response.aiter_raw(), encoding=headers.get("content-encoding", ""), max_bytes=limit)
        answer = HttpStream(service=service, status=response.status_code, headers=headers, pieces=pieces(body))
        yield _accepted(answer, method, options.get("accept", _SUCCESS))
    finally:
        if response is not None:
            await response.aclose()
        # No URL: paths hold keys, too, those of incoming webhooks for instance.
        took = round((time.monotonic() - began) * 1000, 2)
        logger.debug("http call", service=service, method=method, outcome=outcome, duration_ms=took)


async def _send(
    client: "httpx.AsyncClient", method: Method, url: str, seconds: float, options: RequestOptions
) -> "httpx.Response":
    headers, content = open_headers(options.get("headers", {})), options.get("content")
    if "json" in options:
        body = options["json"]
        content = body.model_dump_json().encode() if isinstance(body, BaseModel) else to_json(body)
        headers = {"content-type": "application/json", **headers}
    # Half of the call's time at most, for TCP and for TLS: httpcore 1.0 closes the socket of a handshake that is out of
    # its own time, and forgets one that is cancelled. The rest has our own timers: httpx's never end a trickle.
    connect = min(client.timeout.connect or seconds, seconds / 2)
    request = client.build_request(method, url, headers=headers, content=content, timeout=(connect, None, None, None))
    # Not `params=` above: that would replace the URL's own query.
    request.url = request.url.copy_merge_params(dict(options.get("params", {})))
    return await client.send(request, stream=True)


def _accepted(answer: A, method: Method, accepted: Container[int]) -> A:
    if answer.status in accepted:
        return answer
    sentence, details = f"Answered with status {answer.status}.", {"status": answer.status}
    raise ExternalServiceError(answer.service, sentence, details=details, operation=f"http.{method}")


def _retry_after_seconds(headers: Mapping[str, str]) -> float | None:
    """Return the wait that `Retry-After` asks for (RFC 9110, 10.2.3), infinity included, None if it says nothing.

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
        # HTTP's dates are in GMT whatever they say (RFC 9110, 5.6.7).
        return parsedate_to_datetime(value).replace(tzinfo=UTC)
    except (ValueError, OverflowError):
        return None
