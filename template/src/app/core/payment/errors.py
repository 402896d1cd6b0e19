"""The failures of payments, told apart by what the caller can do about them.

Each has a second base, which is what `api/errors.py` knows it by.
"""

from app.core.exceptions import (
    AppException,
    AuthorizationError,
    BusinessRuleError,
    ExternalServiceError,
    TimeoutError,
)


class SignatureError(AuthorizationError):
    """Raised when a webhook is not signed by Stripe: no signature, one of something else, or not a recent one."""

    code = "SIGNATURE_INVALID"


class PaymentError(AppException):
    """The base of what is raised when a payment could not be made or taken back."""

    code = "PAYMENT_FAILED"


class PaymentDeclinedError(BusinessRuleError, PaymentError):
    """Raised when the customer's bank said no: another card, or none. Asking again changes nothing."""

    code = "PAYMENT_DECLINED"


class PaymentRefusedError(BusinessRuleError, PaymentError):
    """Raised when Stripe cannot do this: the amount is too small, say, or the charge is refunded already.

    `details` has its error code. Nothing was done.
    """

    code = "PAYMENT_REFUSED"


class PaymentConflictError(PaymentRefusedError):
    """Raised when an idempotency key was used again for something else."""

    code = "PAYMENT_CONFLICT"


class PaymentUnavailableError(ExternalServiceError, PaymentError):
    """Raised when Stripe cannot be reached or is too busy. It may have acted: repeat with the same key."""

    code = "PAYMENT_UNAVAILABLE"


class PaymentSwitchedOffError(PaymentUnavailableError):
    """Raised in production when payments are switched off, where none are simulated. Nothing was done."""

    code = "PAYMENT_SWITCHED_OFF"


class PaymentBrokenError(PaymentUnavailableError):
    """Raised when Stripe failed and has kept that answer: the same key will be answered the same for a day."""


class PaymentAccessError(PaymentUnavailableError):
    """Raised when Stripe takes this service's key for invalid, or for not allowed to do this. Nothing was done."""


class PaymentTimeoutError(TimeoutError, PaymentError):
    """Raised when Stripe did not answer in time. It may have acted: repeat with the same key."""

    code = "PAYMENT_TIMEOUT"
