"""Payments through Stripe.

    from app.core import payment

    session = await payment.create_checkout_session(
        order.amount, order.currency, description=order.description, reference=str(order.id), idempotency_key=key
    )

Amounts are in minor units. Every write has an idempotency key: derive it from what the payment is for, and a call that
is repeated after a crash or a timeout is done once. Never call while a transaction is open: it would keep a connection
and its locks for as long as Stripe takes.

Until STRIPE_ENABLED is true, payments are simulated, say `test_mode`, and are refused in production. Failures are
`PaymentError`s (`errors.py`). The SDK is used in this package and nowhere else.
"""

from app.core.payment.errors import (
    PaymentAccessError,
    PaymentBrokenError,
    PaymentConflictError,
    PaymentDeclinedError,
    PaymentError,
    PaymentRefusedError,
    PaymentSwitchedOffError,
    PaymentTimeoutError,
    PaymentUnavailableError,
    SignatureError,
)
from app.core.payment.facade import (
    Payments,
    construct_event,
    create_checkout_session,
    create_customer,
    create_payment_intent,
    create_refund,
    get_checkout_session,
    get_payments,
    in_test_mode,
    is_ours,
    make_payments,
    payment_health_checks,
    verify_webhook_signature,
)
from app.core.payment.objects import (
    CheckoutSession,
    Customer,
    Dispute,
    PaymentIntent,
    Refund,
    UnreadableError,
    WebhookEvent,
)
