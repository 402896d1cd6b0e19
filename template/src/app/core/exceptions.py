"""Every error this application raises on purpose. No web framework here: `api/errors.py` alone knows status codes."""

import socket
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import ClassVar, TypedDict, Unpack

from app.core.redaction import redact, redact_text


class ErrorContext(TypedDict, total=False):
    """The keyword arguments of every error; machine and time are this one and now unless given.

    `details` are facts that clients see, redacted; `operation` is the work that was done ("invoices.create"), for logs.
    """

    error_code: str
    details: Mapping[str, object]
    operation: str
    hostname: str
    timestamp: datetime


class AppException(Exception):
    """An error with a stable code that clients and alerts may rely on.

    The message is a sentence about the cause. Clients see it, so it tells nothing about the inside. A subclass sets
    `code = "STOCK_EMPTY"`, which stays what it is once clients know it.
    """

    code: ClassVar[str] = "INTERNAL_ERROR"

    def __init_subclass__(cls) -> None:
        """Refuse a subclass that names its code wrongly."""
        super().__init_subclass__()
        code = str(cls.code)
        if "error_code" in vars(cls) or not (code.isupper() and code.isidentifier()):
            raise TypeError(f'{cls.__name__} needs `code = "STOCK_EMPTY"`: capitals, digits and underscores.')

    def __init__(self, message: str, **context: Unpack[ErrorContext]) -> None:
        super().__init__(message)
        self.message = message
        self.error_code = context.get("error_code", self.code)
        self.details = dict(context.get("details", {}))
        self.operation = context.get("operation")
        self.hostname = context.get("hostname", socket.gethostname())
        self.timestamp = context.get("timestamp", datetime.now(UTC))

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


class ResourceNotFoundError(AppException):
    """Raised when there is no such thing (an "Item", say), or none that this caller may see."""

    code = "NOT_FOUND"

    def __init__(self, resource_type: str, resource_id: object, **context: Unpack[ErrorContext]) -> None:
        super().__init__(f"{resource_type} {resource_id} does not exist.", **context)
        self.details = {"resource_type": resource_type, "resource_id": resource_id, **self.details}


class ResourceExistsError(AppException):
    """Raised when there is already one of these; `identifier` is the value that both have."""

    code = "ALREADY_EXISTS"

    def __init__(self, resource_type: str, identifier: object, **context: Unpack[ErrorContext]) -> None:
        super().__init__(f"{resource_type} {identifier} exists already.", **context)
        self.details = {"resource_type": resource_type, "identifier": identifier, **self.details}


class ConcurrentUpdateError(AppException):
    """Raised when another caller has changed the thing since this one read it (optimistic concurrency)."""

    code = "CONCURRENT_UPDATE"

    def __init__(self, resource_type: str, resource_id: object, **context: Unpack[ErrorContext]) -> None:
        super().__init__(f"{resource_type} {resource_id} has changed since it was read: read it again.", **context)
        self.details = {"resource_type": resource_type, "resource_id": resource_id, **self.details}


class ValidationError(AppException):
    """Raised when a value breaks a rule: `field` is the caller's name for it, the message the rule, never the value."""

    code = "VALIDATION_ERROR"

    def __init__(self, field: str, message: str, **context: Unpack[ErrorContext]) -> None:
        super().__init__(message, **context)
        self.details = {"field": field, **self.details}
        self.field = field


class BusinessRuleError(AppException):
    """Raised when a request is well-formed, but the state of things forbids it."""

    code = "BUSINESS_RULE_VIOLATED"


class AuthenticationError(AppException):
    """Raised when the caller is not known: no credentials, or none that hold."""

    code = "AUTHENTICATION_FAILED"


class AuthorizationError(AppException):
    """Raised when the caller is known, and may not do this."""

    code = "PERMISSION_DENIED"


class RateLimitError(AppException):
    """Raised when there are too many requests; `retry_after` is in seconds."""

    code = "RATE_LIMITED"

    def __init__(self, retry_after: int, **context: Unpack[ErrorContext]) -> None:
        super().__init__(f"Too many requests: try again in {retry_after} s.", **context)
        self.details = {"retry_after": retry_after, **self.details}
        self.retry_after = retry_after


class InfrastructureException(AppException):
    """Raised when something beneath the application failed; the request itself may have been fine."""

    code = "INFRASTRUCTURE_ERROR"


class DatabaseException(InfrastructureException):
    """Raised when the database could not do what it was asked."""

    code = "DATABASE_ERROR"


class DatabaseConnectionError(DatabaseException):
    """Raised when there is no connection: unreachable, refused, lost on the way, or none free in time."""

    code = "DATABASE_UNAVAILABLE"


class DatabaseQueryError(DatabaseException):
    """Raised when the server refused a statement."""

    code = "DATABASE_QUERY_FAILED"


class DatabaseTimeoutError(DatabaseException):
    """Raised when a statement, or the wait for a lock, took longer than its setting allows."""

    code = "DATABASE_TIMEOUT"


class DatabaseConflictError(DatabaseException):
    """Raised when the server gave a transaction up so that others could go on; the same work may succeed repeated."""

    code = "DATABASE_CONFLICT"


class DatabaseIntegrityError(DatabaseException):
    """Raised when a constraint refused a change that no service had foreseen."""

    code = "DATABASE_INTEGRITY"


class UncommittedChangesError(DatabaseException):
    """Raised when a session for changes ends with changes that were not committed: they are lost."""

    code = "CHANGES_NOT_COMMITTED"

    def __init__(self) -> None:
        super().__init__("Changes were not committed, and are lost: make them inside `async with atomic(session)`.")


class CacheException(InfrastructureException):
    """Raised when the cache cannot hold what it was given; a cache that is merely down raises nothing."""

    code = "CACHE_ERROR"


class EventBusException(InfrastructureException):
    """Raised when the event bus cannot take an event: it does not run, or has no room at one of its handlers."""

    code = "EVENT_BUS_ERROR"


class JobVersionError(InfrastructureException):
    """Raised when a job in the queue is of a version, `written`, that this code, of version `known`, cannot read."""

    code = "JOB_VERSION_UNKNOWN"

    def __init__(self, job_type: str, *, written: int, known: int) -> None:
        super().__init__(f"A {job_type} of version {written} is in the queue, and this code knows version {known}.")
        self.written = written
        self.known = known


class ExternalServiceError(InfrastructureException):
    """Raised when another service ("billing", say) failed or refused; the message has no URLs or credentials."""

    code = "EXTERNAL_SERVICE_ERROR"

    def __init__(self, service: str, message: str, **context: Unpack[ErrorContext]) -> None:
        super().__init__(f"{service}: {message}", **context)
        self.details = {"service": service, **self.details}


class TimeoutError(InfrastructureException):
    """Raised when something took longer than it was given."""

    code = "TIMEOUT"


class MonitoringException(InfrastructureException):
    """Raised when the monitor is set up wrongly; one that is merely unreachable raises nothing."""

    code = "MONITORING_ERROR"


class ConfigurationError(AppException):
    """Raised when the application cannot do this as it is set up: `next_step` is the way out; neither has a value."""

    code = "CONFIGURATION_ERROR"

    def __init__(self, message: str, *, next_step: str | None = None, **context: Unpack[ErrorContext]) -> None:
        super().__init__(message, **context)
        self.next_step = next_step
