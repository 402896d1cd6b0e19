"""Calls to other services: one pool of connections per process, and limits on all that the other side may do.

    answer = await fetch_with_retry("GET", "https://billing.example/invoices/7", service="billing")
    invoice = answer.parse_json(Invoice)

Time, size and attempts are bounded; no redirect is followed; no cookie is kept. Failures are `ExternalServiceError` and
`TimeoutError`, which quote nothing of the URL, the headers or the answer. `fetch_stream` reads an answer as it comes.
For a URL that a user chose, which may name a host inside your network, give `client=get_public_client()`.
"""

import asyncio
import itertools
import random
from collections.abc import AsyncIterator, Awaitable, Container, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Final, Literal, Required, TypedDict, TypeVar, Unpack

from pydantic import JsonValue, SecretStr, TypeAdapter, ValidationError

from app.core.exceptions import AppException, ExternalServiceError, TimeoutError
from app.core.http.client import HttpClients, create_http_client, get_http_client, get_public_client
from app.core.logging import get_logger

if TYPE_CHECKING:
    import httpx

T = TypeVar("T")
Method = Literal["DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT"]

# Seconds for a whole call, from the first byte out to the last byte in.
DEFAULT_TIMEOUT: Final = 30.0
LLM_TIMEOUT: Final = 120.0
WEBHOOK_TIMEOUT: Final = 10.0

ANY_STATUS: Final = range(100, 1000)
_SUCCESS: Final = range(200, 300)
# RFC 9110, 9.2.2: doing it twice has the effect of doing it once.
_IDEMPOTENT: Final[frozenset[Method]] = frozenset({"DELETE", "GET", "HEAD", "OPTIONS", "PUT"})

logger = get_logger(__name__)


class ExternalConnectionError(ExternalServiceError):
    """Raised when there was no connection, or it broke before the answer: the other service may have acted or not."""


@dataclass(frozen=True, kw_only=True)
class HttpResponse:
    """A complete answer, decompressed; headers by lower-case names. Its repr shows nothing that could be secret."""

    service: str
    status: int
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)

    def parse_json(self, shape: type[T]) -> T:
        """Return the body as a value of a type, such as a model; ExternalServiceError if it is not of that shape."""
        with suppress(ValidationError):
            return TypeAdapter(shape).validate_json(self.body)
        # Out here, without a context: pydantic's error holds the answer.
        raise ExternalServiceError(self.service, "Answered with other JSON.")


@dataclass(frozen=True, kw_only=True)
class HttpStream:
    """An answer whose body is read once, as it comes: by its decompressed pieces or by its lines."""

    status: int
    headers: Mapping[str, str] = field(repr=False)
    pieces: AsyncIterator[bytes] = field(repr=False)

    async def lines(self) -> AsyncIterator[str]:
        """Yield the body's lines, as UTF-8 and without their ends."""
        rest = b""
        async for piece in self.pieces:
            # Not httpx's own, which ends a line at characters that JSON may hold.
            *whole, rest = (rest + piece).split(b"\n")
            for line in whole:
                yield line.removesuffix(b"\r").decode(errors="replace")
        if rest:
            yield rest.decode(errors="replace")


class CallOptions(TypedDict, total=False):
    """The options of a call, beside method and URL.

    Attributes:
        service: The other side's name in messages, such as "billing"; clients may see it.
        client: The process's unless given; `get_public_client()` for a URL that a user chose.
        headers: For this call, over the client's own; with `content`, its Content-Type.
        params: The URL's query, in place of the URL's own.
        accept: The statuses that are answers, 200 to 299 unless given. To follow a redirect, read its `location`.
        timeout_seconds: For the whole call; DEFAULT_TIMEOUT unless given.
        max_response_bytes: The size of the answer at most, once decompressed; 10 MiB unless given.
    """

    service: Required[str]
    client: "httpx.AsyncClient"
    headers: Mapping[str, str | SecretStr]
    params: Mapping[str, str | int | float | bool]
    json: JsonValue
    content: bytes
    accept: Container[int]
    timeout_seconds: float
    max_response_bytes: int


@dataclass(frozen=True, kw_only=True)
class RetryConfig:
    """Limits of repetition.

    Attributes:
        attempts: The number of requests at most, the first included.
        total_seconds: For all of it, the attempts themselves included: an attempt under way is cut off.
        backoff_seconds: The wait after the first attempt, which doubles with each further one, up to 5 s; a random part
            of it is waited (AWS Architecture Blog, "Exponential Backoff And Jitter", 2015).
        statuses: Those that are worth another attempt.
        any_method: Repeat POST and PATCH, too: only where the service notices a duplicate (an idempotency key).
    """

    attempts: int = 3
    total_seconds: float = 45.0
    backoff_seconds: float = 0.1
    statuses: Container[int] = frozenset({429, 502, 503, 504})
    any_method: bool = False

    def wait_seconds(self, method: Method, attempt: int, outcome: HttpResponse | AppException) -> float | None:
        """Return the wait before the next attempt, None if there shall be none.

        The backoff comes on top of `Retry-After`, or every client would be back in the same second.
        """
        if attempt >= self.attempts or not (self.any_method or method in _IDEMPOTENT):
            return None
        least = 0.0
        if isinstance(outcome, HttpResponse):
            if outcome.status not in self.statuses:
                return None
            least = _retry_after_seconds(outcome.headers)
        elif not isinstance(outcome, ExternalConnectionError | TimeoutError):
            return None
        backoff = min(5.0, self.backoff_seconds * 2.0 ** (attempt - 1))
        return least + backoff * random.random()  # noqa: S311 — spreads load, guards nothing


async def fetch_with_timeout(method: Method, url: str, **options: Unpack[CallOptions]) -> HttpResponse:
    """Call another service once. The URL is absolute; it appears in no message and in no line of the log.

    Raises:
        ExternalConnectionError: No connection, or one that broke before the answer was complete.
        ExternalServiceError: A status that is not accepted (it is in the details), an answer that is too large, an
            invalid certificate, a request that cannot be sent.
        TimeoutError: There was no complete answer in time, however slowly it trickled in.
    """
    seconds = options.get("timeout_seconds", DEFAULT_TIMEOUT)
    async with fetch_stream(method, url, total_seconds=seconds, **options) as answer:
        body = b"".join([piece async for piece in answer.pieces])
    return HttpResponse(service=options["service"], status=answer.status, headers=answer.headers, body=body)


async def fetch_with_retry(
    method: Method, url: str, *, retry: RetryConfig | None = None, **options: Unpack[CallOptions]
) -> HttpResponse:
    """Call another service, again where that may help; the last attempt's outcome is the call's.

    The options and errors are those of `fetch_with_timeout`, with the timeout for each attempt.
    """
    clock, service, retry = asyncio.get_running_loop().time, options["service"], retry or RetryConfig()
    deadline = clock() + retry.total_seconds
    accepted, seconds = options.get("accept", _SUCCESS), options.get("timeout_seconds", DEFAULT_TIMEOUT)
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
        logger.warning("http retry", method=method, attempt=attempt, outcome=str(outcome), wait_seconds=wait)
        await asyncio.sleep(wait)
    if isinstance(outcome, AppException):
        raise outcome
    _require_accepted(outcome.status, accepted, service, f"http.{method}")
    return outcome


@asynccontextmanager
async def fetch_stream(
    method: Method, url: str, *, total_seconds: float = 600.0, **options: Unpack[CallOptions]
) -> AsyncIterator[HttpStream]:
    """Call another service and read its answer as it comes: the lines of a stream, or a large file.

        async with fetch_stream("POST", url, service="models", json=prompt, timeout_seconds=LLM_TIMEOUT) as answer:
            async for line in answer.lines():

    The errors are those of `fetch_with_timeout`, with the timeout for the beginning and for each piece; reading the
    answer raises them, too. A large file needs its `max_response_bytes`.
    """
    import httpx  # noqa: PLC0415

    client = options.get("client") or get_http_client()
    service, operation = options["service"], f"http.{method}"
    deadline = asyncio.get_running_loop().time() + total_seconds
    limit, seconds = options.get("max_response_bytes", 10 * 2**20), options.get("timeout_seconds", DEFAULT_TIMEOUT)

    async def bounded(step: Awaitable[T]) -> T:
        try:
            async with asyncio.timeout_at(deadline):
                return await step
        except (httpx.HTTPError, httpx.InvalidURL, OSError, ValueError) as err:
            failure = _failure(err, service, operation)
        # Outside of the handler, where it has neither cause nor context: h11 quotes the lines that were sent.
        raise failure

    async def pieces(body: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
        left = limit
        while piece := await bounded(anext(body, b"")):
            left -= len(piece)
            if left < 0:
                raise ExternalServiceError(service, f"The answer is larger than {limit} bytes.", operation=operation)
            yield piece

    async with AsyncExitStack() as stack:
        call = client.stream(
            method,
            url,
            headers={
                name: value.get_secret_value() if isinstance(value, SecretStr) else value
                for name, value in options.get("headers", {}).items()
            },
            params=options.get("params"),
            json=options.get("json"),
            content=options.get("content"),
            # Half of it for connecting: httpcore forgets the socket of a handshake that is cancelled from outside.
            timeout=(seconds / 2, seconds, seconds, seconds),
        )
        response = await bounded(stack.enter_async_context(call))
        headers = dict(response.headers)
        _require_accepted(response.status_code, options.get("accept", _SUCCESS), service, operation)
        if headers.get("content-encoding", "identity").lower() not in ("identity", client.headers["accept-encoding"]):
            raise ExternalServiceError(service, "The answer's compression was not asked for.", operation=operation)
        yield HttpStream(status=response.status_code, headers=headers, pieces=pieces(response.aiter_bytes()))


def _require_accepted(status: int, accepted: Container[int], service: str, operation: str) -> None:
    if status not in accepted:
        sentence, details = f"Answered with status {status}.", {"status": status}
        raise ExternalServiceError(service, sentence, details=details, operation=operation)


def _failure(err: Exception, service: str, operation: str) -> ExternalServiceError | TimeoutError:
    import httpx  # noqa: PLC0415

    # Of what httpx says, the kind alone: the rest may quote what was sent or received.
    details = {"service": service, "reason": type(err).__name__}
    error, sentence = ExternalServiceError, "Not sent: the request is malformed, or its address not public."
    match err:
        case httpx.TimeoutException() | asyncio.TimeoutError():
            return TimeoutError(f"{service}: No complete answer in time.", details=details, operation=operation)
        case httpx.ConnectError() if "CERTIFICATE_VERIFY_FAILED" in str(err):
            sentence = "The certificate was not accepted."
        case OSError() | httpx.HTTPError() if not isinstance(err, httpx.UnsupportedProtocol | httpx.LocalProtocolError):
            error, sentence = ExternalConnectionError, "No connection, or one that broke before the answer was whole."
    return error(service, sentence, details=details, operation=operation)


def _retry_after_seconds(headers: Mapping[str, str]) -> float:
    """Return the wait that `Retry-After` asks for (RFC 9110, 10.2.3), 0 if it says nothing."""
    value = headers.get("retry-after", "")
    with suppress(ValueError, OverflowError):
        return max(0.0, float(int(value)))
    with suppress(ValueError, OverflowError):
        # HTTP's dates are in GMT whatever they say (RFC 9110, 5.6.7).
        until = parsedate_to_datetime(value).replace(tzinfo=UTC)
        return max(0.0, (until - datetime.now(UTC)).total_seconds())
    return 0.0
