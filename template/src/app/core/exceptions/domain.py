"""Errors that mean something to the caller: what was asked for is missing, forbidden, contradictory or too much."""

from typing import Unpack

from app.core.exceptions.base import AppException, ErrorContext, with_facts


class ResourceNotFoundError(AppException):
    """Raised when there is no such thing, or none that this caller may see.

    Args:
        resource_type: The kind of thing, such as "Item".
        resource_id: The identifier that was asked for.
    """

    code = "NOT_FOUND"

    def __init__(self, resource_type: str, resource_id: object, **context: Unpack[ErrorContext]) -> None:
        facts = with_facts(context, resource_type=resource_type, resource_id=resource_id)
        super().__init__(f"{resource_type} {resource_id} does not exist.", **facts)
        self.resource_type = resource_type
        self.resource_id = resource_id


class ResourceExistsError(AppException):
    """Raised when there is already one of these.

    Args:
        resource_type: The kind of thing, such as "Item".
        identifier: The value it has in common with the one that exists.
    """

    code = "ALREADY_EXISTS"

    def __init__(self, resource_type: str, identifier: object, **context: Unpack[ErrorContext]) -> None:
        facts = with_facts(context, resource_type=resource_type, identifier=identifier)
        super().__init__(f"{resource_type} {identifier} exists already.", **facts)
        self.resource_type = resource_type
        self.identifier = identifier


class ConcurrentUpdateError(AppException):
    """Raised when another caller has changed the thing since this one read it (optimistic concurrency).

    Args:
        resource_type: The kind of thing, such as "Item".
        resource_id: Its identifier.
    """

    code = "CONCURRENT_UPDATE"

    def __init__(self, resource_type: str, resource_id: object, **context: Unpack[ErrorContext]) -> None:
        super().__init__(
            f"{resource_type} {resource_id} has changed since it was read: read it again, then repeat the change.",
            **with_facts(context, resource_type=resource_type, resource_id=resource_id),
        )


class ValidationError(AppException):
    """Raised when a value breaks a rule.

    Args:
        field: The name that the caller knows the value by.
        message: The rule, as a sentence; never the value.
    """

    code = "VALIDATION_ERROR"

    def __init__(self, field: str, message: str, **context: Unpack[ErrorContext]) -> None:
        super().__init__(message, **with_facts(context, field=field))
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


class SignatureError(AppException):
    """Raised when a request that must be signed is not: no signature, one of something else, or not a recent one."""

    code = "SIGNATURE_INVALID"


class RateLimitError(AppException):
    """Raised when there are too many requests.

    Args:
        retry_after: Seconds until the next one may succeed.
    """

    code = "RATE_LIMITED"

    def __init__(self, retry_after: int, **context: Unpack[ErrorContext]) -> None:
        facts = with_facts(context, retry_after=retry_after)
        super().__init__(f"Too many requests: try again in {retry_after} s.", **facts)
        self.retry_after = retry_after


class PaymentError(AppException):
    """Raised when a payment could not be made or taken back."""

    code = "PAYMENT_FAILED"
