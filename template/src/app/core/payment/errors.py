"""The failures of payments, told apart by what the caller can do about them.

Each has a second base, which is what `api/errors.py` knows it by.
"""

from app.core.exceptions import BusinessRuleError, ExternalServiceError, PaymentError, TimeoutError


class PaymentDeclinedError(PaymentError):
    """The customer's bank said no: another card, or none. Asking again changes nothing."""

    code = "PAYMENT_DECLINED"


class PaymentRefusedError(BusinessRuleError, PaymentError):
    """Stripe cannot do this: the amount is too small, the charge is refunded already, there is no such customer.

    `details` has its error code. Nothing was done.
    """

    code = "PAYMENT_REFUSED"


class PaymentConflictError(PaymentRefusedError):
    """An idempotency key was used again for something else."""

    code = "PAYMENT_CONFLICT"


class PaymentUnavailableError(ExternalServiceError, PaymentError):
    """Stripe cannot be reached or has too much to do. Whether it acted is not known: repeat with the same key."""

    code = "PAYMENT_UNAVAILABLE"


class PaymentSwitchedOffError(PaymentUnavailableError):
    """Payments are switched off in production, where none may be made up. Nothing was done."""

    code = "PAYMENT_SWITCHED_OFF"


class PaymentRateLimitedError(PaymentUnavailableError):
    """All callers of this account together ask too much of Stripe. Nothing was done."""


class PaymentBrokenError(PaymentUnavailableError):
    """Stripe failed and has kept that answer: the same key will be answered the same for a day."""


class PaymentAccessError(PaymentUnavailableError):
    """Stripe takes this service's key for invalid, or for not allowed to do this. Nothing was done."""


class PaymentTimeoutError(TimeoutError, PaymentError):
    """Stripe did not answer in time. Whether it acted is not known: repeat with the same key."""

    code = "PAYMENT_TIMEOUT"
