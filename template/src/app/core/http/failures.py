"""From httpx's errors to the application's: no URL, no header and nothing that was received is in either."""

import asyncio
import ssl

import httpx

from app.core.exceptions import AppException, ExternalServiceError, TimeoutError
from app.core.http.body import BodyRefused
from app.core.http.errors import ExternalConnectionError
from app.core.http.request import HttpRequest


def translate(  # noqa: PLR0911 — a table: each kind of error has its line
    request: HttpRequest, error: Exception
) -> tuple[AppException, BaseException]:
    """The application's error, and the cause to chain it to.

    Args:
        request: What was asked.
        error: What came of it.
    """
    service = request.service
    match error:
        case BodyRefused():
            return ExternalServiceError(service, str(error)), error.__cause__ or error
        case httpx.ConnectTimeout():
            return TimeoutError(f"{service}: No connection in time.", details={"service": service}), error
        case httpx.TimeoutException() | asyncio.TimeoutError():
            message = f"{service}: No complete answer within {request.timeout_seconds:.3g} s."
            return TimeoutError(message, details={"service": service}), error
        case httpx.InvalidURL() | httpx.UnsupportedProtocol() | httpx.LocalProtocolError() | UnicodeError():
            return ExternalServiceError(service, "The request is malformed and was not sent."), _unquoted(error)
        case httpx.ProtocolError():
            return ExternalConnectionError(service, "The answer is not valid HTTP, or it broke off."), _unquoted(error)
        case _ if _is_refused_certificate(error):
            return ExternalServiceError(service, "The certificate was not accepted."), error
        case httpx.ConnectError():
            return ExternalConnectionError(service, "Cannot be reached."), error
        case _:
            return ExternalConnectionError(service, "The connection was lost."), error


def _unquoted(error: Exception) -> Exception:
    """The error without what it quotes: bytes that were sent or received, which may hold keys or echo them."""
    text = str(error)
    for mark in ("bytearray(", "b'", 'b"', "'", '"'):
        text = text.partition(mark)[0]
    # UnicodeErrors cannot be made of a text.
    return ValueError(type(error).__name__) if isinstance(error, UnicodeError) else type(error)(text)


def _is_refused_certificate(error: BaseException | None) -> bool:
    while error is not None:
        if isinstance(error, ssl.SSLCertVerificationError):
            return True
        error = error.__cause__ or error.__context__
    return False
