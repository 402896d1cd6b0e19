"""The keyword arguments that every error accepts, so that subclasses can pass them on with their types."""

from datetime import datetime
from typing import TypedDict

from app.core.exceptions.base import Details


class ErrorContext(TypedDict, total=False):
    """See `AppException` for what each of them means."""

    error_code: str | None
    details: Details | None
    operation: str | None
    hostname: str | None
    timestamp: datetime | None
