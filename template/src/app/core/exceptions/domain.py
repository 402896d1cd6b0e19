"""Errors that mean something to the caller: what was asked for is missing, forbidden, contradictory or too much."""

from typing import Unpack

from app.core.exceptions.base import AppException
from app.core.exceptions.context import ErrorContext


class ResourceNotFoundError(AppException):
    """There is no such thing, or none that this caller may see.

    Args:
        resource_type: What kind of thing, such as "Item".
        resource_id: The identifier that was asked for.
    """

    code = "NOT_FOUND"

    def __init__(self, resource_type: str, resource_id: object, **context: Unpack[ErrorContext]) -> None:
        super().__init__(f"{resource_type} {resource_id} does not exist.", **context)
        self.resource_type = resource_type
        self.resource_id = resource_id


class ResourceExistsError(AppException):
    """There is already one of these.

    Args:
        resource_type: What kind of thing, such as "Item".
        identifier: What it has in common with the one that exists.
    """

    code = "ALREADY_EXISTS"

    def __init__(self, resource_type: str, identifier: object, **context: Unpack[ErrorContext]) -> None:
        super().__init__(f"{resource_type} {identifier} exists already.", **context)
        self.resource_type = resource_type
        self.identifier = identifier


class ConcurrentUpdateError(AppException):
    """Somebody else changed the thing since the caller read it (optimistic concurrency).

    Args:
        resource_type: What kind of thing, such as "Item".
        resource_id: Its identifier.
    """

    code = "CONCURRENT_UPDATE"

    def __init__(self, resource_type: str, resource_id: object, **context: Unpack[ErrorContext]) -> None:
        super().__init__(
            f"{resource_type} {resource_id} has changed since it was read: read it again, then repeat the change.",
            **context,
        )


class ValidationError(AppException):
    """A value breaks a rule.

    Args:
        field: Which value, by the name the caller knows it under.
        message: The rule, as a sentence; never the value.
    """

    code = "VALIDATION_ERROR"

    def __init__(self, field: str, message: str, **context: Unpack[ErrorContext]) -> None:
        super().__init__(message, **context)
        self.field = field


class BusinessRuleError(AppException):
    """The request is well-formed, but the state of things forbids it."""

    code = "BUSINESS_RULE_VIOLATED"


class AuthenticationError(AppException):
    """Who is calling is not known: no credentials, or none that hold."""

    code = "AUTHENTICATION_FAILED"


class AuthorizationError(AppException):
    """Who is calling is known, and may not do this."""

    code = "PERMISSION_DENIED"


class SignatureError(AppException):
    """A request that must be signed is not: no signature, one of something else, or one from long ago."""

    code = "SIGNATURE_INVALID"


class RateLimitError(AppException):
    """Too many requests.

    Args:
        retry_after: Seconds until the next one may succeed.
    """

    code = "RATE_LIMITED"

    def __init__(self, retry_after: int, **context: Unpack[ErrorContext]) -> None:
        super().__init__(f"Too many requests: try again in {retry_after} s.", **context)
        self.retry_after = retry_after


class PaymentError(AppException):
    """A payment could not be made or taken back."""

    code = "PAYMENT_FAILED"
