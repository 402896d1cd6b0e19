"""The ways to call another service once: for a whole answer, or for one that is read as it comes."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Container, Mapping
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Final, Literal, Required, TypedDict, TypeVar, Unpack

from pydantic import JsonValue, SecretStr

from app.core.exceptions import ExternalServiceError, TimeoutError
from app.core.http.answers import HttpResponse, HttpStream
from app.core.http.client import CallRefused, get_http_client

if TYPE_CHECKING:
    import httpx

T = TypeVar("T")
Method = Literal["DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT"]

# Seconds for a whole call, from the first byte out to the last byte in.
DEFAULT_TIMEOUT: Final = 30.0
LLM_TIMEOUT: Final = 120.0
WEBHOOK_TIMEOUT: Final = 10.0

ANY_STATUS: Final = range(100, 1000)
SUCCESS: Final = range(200, 300)
_MAX_BYTES: Final = 10 * 1024 * 1024


class ExternalConnectionError(ExternalServiceError):
    """Raised when there was no connection, or it broke before the answer was complete.

    The same request may well succeed later. It is not known if the other service acted on it.
    """


class CallOptions(TypedDict, total=False):
    """The options of a call, beside method and URL.

    Attributes:
        service: The other side's name in messages, such as "billing". Clients may see it.
        client: The process's unless given; `get_public_client()` for a URL that a user chose.
        headers: For this call, over the client's own. A SecretStr is opened when it is sent.
        params: The URL's query, in place of the URL's own.
        json: The body, with its content type.
        content: The body as bytes, without json; give its Content-Type in the headers.
        accept: The statuses that are answers; any other is an ExternalServiceError. 200 to 299 unless given. To follow
            a redirect, accept it and read its `location`.
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


async def fetch_with_timeout(method: Method, url: str, **options: Unpack[CallOptions]) -> HttpResponse:
    """Call another service once. The URL is absolute; it appears in no message and in no line of the log.

    Raises:
        ExternalConnectionError: No connection, or one that broke before the answer was complete.
        ExternalServiceError: A status that is not accepted (it is in the details), an answer that is too large, an
            invalid certificate, a request that cannot be sent, an address that may not be called.
        TimeoutError: There was no complete answer in time, however slowly it trickled in.
    """
    seconds = options.get("timeout_seconds", DEFAULT_TIMEOUT)
    async with fetch_stream(method, url, total_seconds=seconds, **options) as answer:
        body = b"".join([piece async for piece in answer.pieces])
    return HttpResponse(service=options["service"], status=answer.status, headers=answer.headers, body=body)


@asynccontextmanager
async def fetch_stream(
    method: Method, url: str, *, total_seconds: float = 600.0, **options: Unpack[CallOptions]
) -> AsyncIterator[HttpStream]:
    """Call another service and read its answer as it comes: server-sent events, or a large file.

        async with fetch_stream("POST", url, service="models", json=prompt, timeout_seconds=LLM_TIMEOUT) as answer:
            async for kind, data in answer.events():

    The errors are those of `fetch_with_timeout`, with the timeout for the beginning and for each piece; reading the
    answer raises them, too. A large file needs its `max_response_bytes`.
    """
    import httpx  # noqa: PLC0415

    client = options.get("client") or get_http_client()
    service, operation = options["service"], f"http.{method}"
    deadline = asyncio.get_running_loop().time() + total_seconds
    limit = options.get("max_response_bytes", _MAX_BYTES)

    async def bounded(step: Awaitable[T]) -> T:
        try:
            async with asyncio.timeout_at(deadline):
                return await step
        except (httpx.HTTPError, httpx.InvalidURL, CallRefused, OSError, UnicodeError) as err:
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

    response = await bounded(_send(client, method, url, options))
    try:
        headers = dict(response.headers)
        require_accepted(response.status_code, options.get("accept", SUCCESS), service, operation)
        if headers.get("content-encoding", "identity").lower() not in ("identity", client.headers["accept-encoding"]):
            sentence = "The answer is compressed in a way that was not asked for."
            raise ExternalServiceError(service, sentence, operation=operation)
        yield HttpStream(status=response.status_code, headers=headers, pieces=pieces(response.aiter_bytes()))
    finally:
        await response.aclose()


def require_accepted(status: int, accepted: Container[int], service: str, operation: str) -> None:
    """Raise ExternalServiceError for a status that is no answer."""
    if status not in accepted:
        sentence, details = f"Answered with status {status}.", {"status": status}
        raise ExternalServiceError(service, sentence, details=details, operation=operation)


async def _send(client: "httpx.AsyncClient", method: Method, url: str, options: CallOptions) -> "httpx.Response":
    seconds = options.get("timeout_seconds", DEFAULT_TIMEOUT)
    request = client.build_request(
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
    return await client.send(request, stream=True)


def _failure(err: Exception, service: str, operation: str) -> ExternalServiceError | TimeoutError:
    import httpx  # noqa: PLC0415

    # Of what httpx says, the kind alone: the rest may quote what was sent or received.
    details = {"service": service, "reason": type(err).__name__}
    error, sentence = ExternalServiceError, "The request is malformed and was not sent."
    match err:
        case httpx.TimeoutException() | asyncio.TimeoutError():
            return TimeoutError(f"{service}: No complete answer in time.", details=details, operation=operation)
        case CallRefused():
            sentence = str(err)
        case httpx.ConnectError() if "CERTIFICATE_VERIFY_FAILED" in str(err):
            sentence = "The certificate was not accepted."
        case httpx.ConnectError() | OSError():
            error, sentence = ExternalConnectionError, "Cannot be reached."
        case httpx.HTTPError() if not isinstance(err, httpx.UnsupportedProtocol | httpx.LocalProtocolError):
            error, sentence = ExternalConnectionError, "The answer is not valid HTTP, or it broke off."
    return error(service, sentence, details=details, operation=operation)
