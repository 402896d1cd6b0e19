"""From the SDK's errors to the application's. Theirs hold the whole answer, which belongs to customers."""

from http import HTTPStatus

import stripe

from app.core.exceptions import AppException, ExternalServiceError, TimeoutError
from app.core.payment.errors import (
    PaymentAccessError,
    PaymentBrokenError,
    PaymentConflictError,
    PaymentDeclinedError,
    PaymentRateLimitedError,
    PaymentRefusedError,
    PaymentTimeoutError,
    PaymentUnavailableError,
)
from app.core.payment.results import UnreadableError
from app.core.payment.transport import SERVICE


def translate(  # noqa: PLR0911 — a table: each kind of error has its line
    error: stripe.StripeError | AppException | UnreadableError,
) -> AppException:
    """The application's error, without its cause: the SDK's holds the answer, and its frames hold the key."""
    match error:
        case TimeoutError():
            return PaymentTimeoutError(error.message, details=error.details)
        case ExternalServiceError():
            return PaymentUnavailableError(SERVICE, error.message.removeprefix(f"{SERVICE}: "))
        case AppException():
            return error
        case UnreadableError():
            return PaymentUnavailableError(SERVICE, f"Answered something unexpected ({error}).")
        case stripe.CardError():
            # Written for the customer (API reference, "Errors": message). The bank's own reason (decline_code) is not:
            # it may say that the card was reported stolen.
            return PaymentDeclinedError(error.user_message or "The card was declined.", details=_details(error))
        case stripe.IdempotencyError():
            return PaymentConflictError("This idempotency key was used for something else.", details=_details(error))
        case stripe.RateLimitError():
            return PaymentRateLimitedError(SERVICE, "Too many requests.", details=_details(error))
        case stripe.AuthenticationError() | stripe.PermissionError():
            return PaymentAccessError(SERVICE, "Does not accept this service's key.", details=_details(error))
        case stripe.InvalidRequestError():
            return PaymentRefusedError("The payment service refused this.", details=_details(error))
        case _ if (error.http_status or 0) >= HTTPStatus.INTERNAL_SERVER_ERROR:
            return PaymentBrokenError(SERVICE, "Failed.", details=_details(error))
        case _:
            return PaymentUnavailableError(SERVICE, "Could not do this now.", details=_details(error))


def _details(error: stripe.StripeError) -> dict[str, object]:
    """Return the facts that find the case in Stripe's own log, and that programs tell cases apart by."""
    facts = {
        "code": error.code,
        "param": getattr(error, "param", None),
        "stripe_request_id": error.request_id,
    }
    return {name: value for name, value in facts.items() if isinstance(value, str)}
