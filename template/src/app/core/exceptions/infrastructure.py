"""Errors of what the application stands on: the database, the cache, other services, its own configuration."""

from typing import Unpack

from app.core.exceptions.base import AppException, ErrorContext, with_facts


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
    """The server gave a transaction up so that others could go on; the same work may succeed when it is repeated."""

    code = "DATABASE_CONFLICT"


class DatabaseIntegrityError(DatabaseException):
    """Raised when a constraint refused a change that no service had foreseen."""

    code = "DATABASE_INTEGRITY"


class UncommittedChangesError(DatabaseException):
    """Raised when a session for changes ends with changes that were not committed: they are lost."""

    code = "CHANGES_NOT_COMMITTED"

    def __init__(self) -> None:
        super().__init__(
            "A session ended with changes that were not committed, and they are lost: "
            "make them inside `async with atomic(session)` (app.core.uow), or take a UnitOfWork."
        )


class CacheException(InfrastructureException):
    """Raised when the cache cannot hold what it was given; a cache that is merely down raises nothing."""

    code = "CACHE_ERROR"


class EventBusException(InfrastructureException):
    """Raised when the event bus is used in a way, or at a time, that it cannot serve."""

    code = "EVENT_BUS_ERROR"


class EventRejectedError(EventBusException):
    """Raised when an event found no room at one of its handlers, or is the last of an endless chain."""

    code = "EVENT_REJECTED"


class ExternalServiceError(InfrastructureException):
    """Raised when another service failed or refused.

    Args:
        service: Its name, such as "billing".
        message: A sentence, without URLs or credentials.
    """

    code = "EXTERNAL_SERVICE_ERROR"

    def __init__(self, service: str, message: str, **context: Unpack[ErrorContext]) -> None:
        super().__init__(f"{service}: {message}", **with_facts(context, service=service))
        self.service = service


class TimeoutError(InfrastructureException):
    """Raised when something took longer than it was given."""

    code = "TIMEOUT"


class MonitoringException(InfrastructureException):
    """Raised when the monitor is set up wrongly; one that is merely unreachable raises nothing."""

    code = "MONITORING_ERROR"


class ConfigurationError(AppException):
    """Raised when the application cannot start as it is set up.

    Args:
        message: The cause, naming settings and rules but never a value.
        next_step: The way out, as a sentence.
    """

    code = "CONFIGURATION_ERROR"

    def __init__(self, message: str, *, next_step: str | None = None, **context: Unpack[ErrorContext]) -> None:
        super().__init__(message, **context)
        self.next_step = next_step
