"""From httpx's errors to the application's: no URL, no header and nothing that was received is in either."""

import asyncio
import ssl
import zlib
from collections.abc import Awaitable
from typing import TypeVar

from app.core.exceptions import ExternalServiceError, TimeoutError
from app.core.http.answers import AnswerRefused

T = TypeVar("T")


class ExternalConnectionError(ExternalServiceError):
    """Raised when there was no connection, or it broke before the answer was complete.

    The same request may well succeed later. It is not known if the other service acted on it.
    """


async def without_quotes(step: Awaitable[T], *, service: str, method: str, seconds: float) -> T:
    """Wait for a step of a call, and let nothing of what was sent or received out with its failure."""
    import httpx  # noqa: PLC0415

    try:
        async with asyncio.timeout(max(seconds, 0)):
            return await step
    except (
        httpx.HTTPError,
        httpx.InvalidURL,
        httpx.StreamError,
        AnswerRefused,
        OSError,
        UnicodeError,
        zlib.error,
    ) as err:
        failure = _failure(err, service, f"http.{method}")
    # Outside of the handler, where it has neither cause nor context: h11 quotes the lines that were sent.
    raise failure


def _failure(err: Exception, service: str, operation: str) -> ExternalServiceError | TimeoutError:
    import httpx  # noqa: PLC0415

    # Of what httpx says, the kind alone: the rest may quote what was sent or received.
    details = {"service": service, "reason": type(err).__name__}
    error: type[ExternalServiceError] = ExternalServiceError
    match err:
        case httpx.TimeoutException() | asyncio.TimeoutError():
            missing = "connection" if isinstance(err, httpx.ConnectTimeout) else "complete answer"
            return TimeoutError(f"{service}: No {missing} in time.", details=details, operation=operation)
        case AnswerRefused():
            sentence = str(err)
        case zlib.error():
            sentence = "The answer's compression is damaged."
        case httpx.InvalidURL() | httpx.UnsupportedProtocol() | httpx.LocalProtocolError() | UnicodeError():
            sentence = "The request is malformed and was not sent."
        case httpx.ConnectError() if _is_refused_certificate(err):
            sentence = "The certificate was not accepted."
        case httpx.ConnectError() | OSError():
            error, sentence = ExternalConnectionError, "Cannot be reached."
        case _:
            error, sentence = ExternalConnectionError, "The answer is not valid HTTP, or it broke off."
    return error(service, sentence, details=details, operation=operation)


def _is_refused_certificate(err: BaseException | None) -> bool:
    return err is not None and (
        isinstance(err, ssl.SSLCertVerificationError) or _is_refused_certificate(err.__cause__ or err.__context__)
    )
