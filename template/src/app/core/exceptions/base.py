"""The root of the application's errors."""

import re
import socket
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import ClassVar, Final, TypedDict

from app.core.redaction import redact, redact_text

Details = Mapping[str, object]

_CODE: Final = re.compile(r"[A-Z][A-Z0-9]*(?:_[A-Z0-9]+)*")


class ErrorContext(TypedDict, total=False):
    """The keyword arguments of every error; `AppException` says what each means."""

    error_code: str | None
    details: Details | None
    operation: str | None
    hostname: str | None
    timestamp: datetime | None


class AppException(Exception):
    """An error with a stable code that clients and alerts may rely on.

    `message` is a sentence for the person who reads it; `details` carries what is known about the case. Both may
    hold secrets by accident, so all that is shown goes through `to_dict()`. A subclass sets `code`, in capital letters
    and underscores: `code = "STOCK_EMPTY"`. It stays what it is once clients know it.

    Args:
        message: What went wrong, as a sentence. Clients see it, so it tells nothing about the inside.
        error_code: Overrides the class's own code.
        details: Facts about this case, beside those that the class knows. Shown to clients, redacted.
        operation: What was being done, such as "invoices.create". For logs.
        hostname: Where it happened; this machine unless told otherwise.
        timestamp: When it happened, timezone-aware; now unless told otherwise.
    """

    code: ClassVar[str] = "INTERNAL_ERROR"

    def __init_subclass__(cls) -> None:
        """Refuse a subclass whose code would be ignored."""
        super().__init_subclass__()
        if "error_code" in vars(cls):
            raise TypeError(f'{cls.__name__} sets `error_code`, which belongs to an error: write `code = "…"`.')
        if not _CODE.fullmatch(str(cls.code)):
            raise TypeError(f'{cls.__name__}.code must look like "STOCK_EMPTY": capitals, digits, underscores.')

    def __init__(
        self,
        message: str,
        *,
        error_code: str | None = None,
        details: Details | None = None,
        operation: str | None = None,
        hostname: str | None = None,
        timestamp: datetime | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.error_code = error_code or self.code
        self.details: Details = dict(details or {})
        self.operation = operation
        self.hostname = hostname or socket.gethostname()
        self.timestamp = timestamp or datetime.now(UTC)

    def to_dict(self) -> dict[str, object]:
        """Return the error as plain data for logs and reports, with secrets taken out."""
        return {
            "error": type(self).__name__,
            "error_code": self.error_code,
            "message": redact_text(self.message),
            "details": redact(self.details),
            "operation": self.operation,
            "hostname": self.hostname,
            "timestamp": self.timestamp.isoformat(),
        }


def with_facts(context: ErrorContext, **facts: object) -> ErrorContext:
    """Return an error's context with what its class knows among the details; details that were given win."""
    return {**context, "details": {**facts, **(context.get("details") or {})}}
