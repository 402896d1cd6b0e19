"""The root of the application's errors."""

import socket
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import ClassVar

from app.core.redaction import redact, redact_text

Details = Mapping[str, object]


class AppException(Exception):
    """An error with a stable code that clients and alerts may rely on.

    `message` is a sentence for the person who reads it; `details` carries what is known about the case. Both may
    hold secrets by accident, so everything shown goes through `to_dict()`.

    Args:
        message: What went wrong, as a sentence. Clients see it, so it tells nothing about the inside.
        error_code: Overrides the class's own code.
        details: Facts about this case. Shown to clients, redacted.
        operation: What was being done, such as "invoices.create". For logs.
        hostname: Where it happened; this machine unless told otherwise.
        timestamp: When it happened, timezone-aware; now unless told otherwise.
    """

    code: ClassVar[str] = "INTERNAL_ERROR"

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
        """The error as plain data for logs and reports, with secrets taken out."""
        return {
            "error": type(self).__name__,
            "error_code": self.error_code,
            "message": redact_text(self.message),
            "details": redact(self.details),
            "operation": self.operation,
            "hostname": self.hostname,
            "timestamp": self.timestamp.isoformat(),
        }
