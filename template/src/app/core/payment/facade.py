"""The calls that application code makes: arguments checked, a key for every write, then Stripe or its stand-in."""

import re
from collections.abc import Mapping
from typing import Final
from urllib.parse import urlencode
from uuid import uuid4

from app.core.exceptions import ValidationError
from app.core.payment.events import WebhookEvent
from app.core.payment.gateway import Charge
from app.core.payment.lifecycle import get_payments
from app.core.payment.results import CheckoutSession, Customer, PaymentIntent, Refund

# Stripe's largest amount in most currencies: eight digits (documentation, "Supported currencies").
MAX_AMOUNT: Final = 99_999_999
MAX_KEY_CHARACTERS: Final = 255
CURRENCY: Final = re.compile(r"[a-z]{3}")
# API reference, "Metadata".
_MAX_METADATA: Final = (50, 40, 500)


def in_test_mode() -> bool:
    """Whether no real money is involved."""
    return get_payments().gateway.test_mode


async def create_payment_intent(
    amount: int,
    currency: str = "usd",
    *,
    customer_id: str | None = None,
    metadata: Mapping[str, str] | None = None,
    idempotency_key: str | None = None,
) -> PaymentIntent:
    """An amount to be collected, for pages that take cards themselves.

    Args:
        amount: In minor units: 1050 is 10.50 dollars, or 1050 yen.
        currency: ISO 4217, in lower case.
        customer_id: Who pays, from `create_customer`.
        metadata: Facts of yours that Stripe keeps with it.
        idempotency_key: The same for every repetition of the same wish, at most 255 characters; a new one unless given,
            which makes repetitions within this call harmless and no others.

    Raises:
        PaymentError: See `app.core.payment.errors`.
        ValidationError: An argument breaks a rule.
    """
    charge = _charge(amount, currency, metadata)
    return await get_payments().gateway.create_payment_intent(
        charge, customer_id=customer_id, idempotency_key=_key(idempotency_key)
    )


async def create_customer(
    *,
    email: str | None = None,
    name: str | None = None,
    metadata: Mapping[str, str] | None = None,
    idempotency_key: str | None = None,
) -> Customer:
    """Somebody who pays more than once. Raises as `create_payment_intent` does."""
    return await get_payments().gateway.create_customer(
        email=email, name=name, metadata=_metadata(metadata), idempotency_key=_key(idempotency_key)
    )


async def create_refund(
    payment_intent_id: str,
    *,
    amount: int | None = None,
    metadata: Mapping[str, str] | None = None,
    idempotency_key: str | None = None,
) -> Refund:
    """Give money back: what is left of the payment unless an amount is given. Raises as `create_payment_intent` does.

    The refund may be pending: webhooks tell what comes of it.
    """
    if amount is not None:
        _check_amount(amount)
    return await get_payments().gateway.create_refund(
        payment_intent_id, amount=amount, metadata=_metadata(metadata), idempotency_key=_key(idempotency_key)
    )


async def create_checkout_session(
    amount: int,
    currency: str = "usd",
    *,
    description: str,
    reference: str,
    metadata: Mapping[str, str] | None = None,
    idempotency_key: str | None = None,
) -> CheckoutSession:
    """A page on which a customer pays; it leads back to STRIPE_RETURN_URL. Raises as `create_payment_intent` does.

    Args:
        amount: In minor units.
        currency: ISO 4217, in lower case.
        description: What is paid for, as the customer reads it.
        reference: What the page they return to knows it by, as `reference` in its query.
        metadata: Comes back with the webhooks.
        idempotency_key: See `create_payment_intent`.
    """
    payments = get_payments()
    joined = "&" if "?" in payments.return_url else "?"
    success, cancelled = (
        f"{payments.return_url}{joined}{urlencode({'reference': reference, 'outcome': outcome})}"
        for outcome in ("done", "cancelled")
    )
    return await payments.gateway.create_checkout_session(
        _charge(amount, currency, metadata),
        description=description,
        success_url=success,
        cancel_url=cancelled,
        idempotency_key=_key(idempotency_key),
    )


async def get_checkout_session(session_id: str) -> CheckoutSession:
    """How a checkout page is doing. Raises as `create_payment_intent` does."""
    return await get_payments().gateway.get_checkout_session(session_id)


def verify_webhook_signature(body: bytes, signature: str | None) -> None:
    """Return if a webhook is Stripe's, and recent.

    Args:
        body: As it arrived, to the byte.
        signature: The header `Stripe-Signature`.

    Raises:
        SignatureError: It is not.
    """
    get_payments().signatures.verify(body, signature)


def construct_event(body: bytes, signature: str | None) -> WebhookEvent:
    """What a webhook tells, once its signature has been checked.

    Raises:
        SignatureError: It is not Stripe's, or not recent.
        ValidationError: It is no event of the shape that this application reads.
    """
    verify_webhook_signature(body, signature)
    return WebhookEvent.parse(body)


def _charge(amount: int, currency: str, metadata: Mapping[str, str] | None) -> Charge:
    _check_amount(amount)
    if not CURRENCY.fullmatch(currency):
        raise ValidationError("currency", "must be three lower-case letters (ISO 4217)")
    return Charge(amount=amount, currency=currency, metadata=_metadata(metadata))


def _check_amount(amount: int) -> None:
    if not 1 <= amount <= MAX_AMOUNT:
        raise ValidationError("amount", f"must be between 1 and {MAX_AMOUNT} minor units")


def _metadata(given: Mapping[str, str] | None) -> Mapping[str, str]:
    entries, name_length, value_length = _MAX_METADATA
    metadata = dict(given or {})
    if len(metadata) > entries or any(
        not name or len(name) > name_length or len(value) > value_length for name, value in metadata.items()
    ):
        raise ValidationError(
            "metadata", f"must have at most {entries} names of {name_length} and values of {value_length} characters"
        )
    return metadata


def _key(given: str | None) -> str:
    key = uuid4().hex if given is None else given
    if not (key.isascii() and key.isprintable() and 1 <= len(key) <= MAX_KEY_CHARACTERS):
        raise ValidationError("idempotency_key", f"must be 1 to {MAX_KEY_CHARACTERS} printable ASCII characters")
    return key
