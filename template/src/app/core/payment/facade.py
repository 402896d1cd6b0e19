"""The calls that application code makes: arguments checked, a key for every write, then Stripe or its stand-in."""

import hashlib
import hmac
import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import wraps
from inspect import signature
from typing import TYPE_CHECKING, Any, Final, Literal, ParamSpec, TypeVar
from urllib.parse import urlencode
from uuid import uuid4

from pydantic import ConfigDict, validate_call
from pydantic import ValidationError as PydanticValidationError

from app.core.config.section import Environment
from app.core.config.stripe import StripeSettings
from app.core.exceptions import ValidationError
from app.core.health import HealthCheck
from app.core.payment.errors import PaymentSwitchedOffError, SignatureError
from app.core.payment.objects import (
    Amount,
    CheckoutSession,
    Currency,
    Customer,
    IdempotencyKey,
    Identifier,
    Metadata,
    PaymentIntent,
    Refund,
    StripeObject,
    Text,
    WebhookEvent,
)
from app.core.payment.simulated import SimulatedClient
from app.core.process import get_object

if TYPE_CHECKING:
    from app.core.payment.stripe_client import StripeClient

P = ParamSpec("P")
R = TypeVar("R")
T = TypeVar("T", bound=StripeObject)

RefundReason = Literal["duplicate", "fraudulent", "requested_by_customer"]

_TIMESTAMP: Final = re.compile(r"[0-9]{1,12}")


@dataclass(frozen=True, kw_only=True)
class Payments:
    """The means to make payments.

    Attributes:
        client: Stripe, or its stand-in. Their calls are the same, and raise the errors of `app.core.payment.errors`.
        settings: Those that it was made of.
        switched_off: True in production where no real money would move.
    """

    client: "SimulatedClient | StripeClient"
    settings: StripeSettings
    switched_off: bool


def make_payments(settings: StripeSettings, environment: Environment) -> Payments:
    """Return the means to make payments, none in production without a live key. Nothing is connected."""
    client: SimulatedClient | StripeClient = SimulatedClient()
    if settings.enabled and settings.secret_key is not None:
        # Here and not above: the SDK is loaded by those who use it.
        from app.core.payment import stripe_client  # noqa: PLC0415

        client = stripe_client.StripeClient(settings.secret_key, settings)
    switched_off = environment is Environment.PRODUCTION and client.test_mode
    return Payments(client=client, settings=settings, switched_off=switched_off)


def get_payments() -> Payments:
    """Return the means to make payments.

    Raises:
        ConfigurationError: There are none yet, or no longer.
        PaymentSwitchedOffError: This is production, and Stripe is switched off.
    """
    payments = get_object(Payments)
    if payments.switched_off:
        raise PaymentSwitchedOffError("payment", "Payments are switched off here, so nothing was done.")
    return payments


def payment_health_checks(settings: StripeSettings) -> list[HealthCheck]:
    """Return one, if there is a service to ask; all requests but payments can do without it."""
    if not settings.enabled:
        return []
    return [HealthCheck("payment", get_payments().client.check, required=False, external=True)]


def _checked(function: Callable[P, R]) -> Callable[P, R]:
    """Let a function be called only with what its annotations allow; the stand-in would take anything else, too.

    The ValidationError names the argument and the rule, never the value.
    """

    # Not the function itself: an error of pydantic's in its own work is no wrong argument.
    @wraps(function)
    def call(*args: P.args, **kwargs: P.kwargs) -> R:
        return function(*args, **kwargs)

    names = list(signature(function).parameters)
    validated = validate_call(config=ConfigDict(strict=True, hide_input_in_errors=True))(call)

    @wraps(function)
    def check(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return validated(*args, **kwargs)
        except PydanticValidationError as err:
            first = err.errors(include_input=False, include_url=False, include_context=False)[0]
        place = first["loc"][0]
        name = names[place] if isinstance(place, int) else place
        # Out here, where it has no context: what was given may belong to a customer.
        raise ValidationError(name, f"{name}: {first['msg']}.")

    return check


def in_test_mode() -> bool:
    """Return True when no real money is involved."""
    return get_payments().client.test_mode


def is_ours(event: WebhookEvent) -> bool:
    """Return True for an event of the mode that payments are made in, and of an account whose events count.

    Endpoints of platforms are sent events of both modes, and of connected accounts (documentation, "Connect webhooks").
    """
    counted = event.account is None or event.account in get_payments().settings.accounts
    return counted and event.livemode is not in_test_mode()


@_checked
async def create_payment_intent(
    amount: Amount,
    currency: Currency = "usd",
    *,
    customer_id: Identifier | None = None,
    metadata: Metadata | None = None,
    idempotency_key: IdempotencyKey | None = None,
) -> PaymentIntent:
    """Make an amount to be collected, for pages that take cards themselves.

    Args:
        amount: In minor units: 1050 is 10.50 dollars, or 1050 yen.
        currency: ISO 4217, in lower case.
        customer_id: The payer, from `create_customer`.
        metadata: Facts of yours that Stripe keeps with it.
        idempotency_key: The same for every repetition of the same wish, at most 255 characters; a new one unless given,
            which makes repetitions within this call harmless and no others.

    Raises:
        PaymentError: See `app.core.payment.errors`.
        ValidationError: An argument breaks a rule.
    """
    # By whatever methods the account's owner has switched on.
    params = {"amount": amount, "currency": currency, "automatic_payment_methods": {"enabled": True}}
    return await _create(PaymentIntent, idempotency_key, params, customer=customer_id, metadata=metadata)


@_checked
async def create_customer(
    *,
    email: Text | None = None,
    name: Text | None = None,
    metadata: Metadata | None = None,
    idempotency_key: IdempotencyKey | None = None,
) -> Customer:
    """Make a customer, who pays more than once. Raises as `create_payment_intent` does."""
    return await _create(Customer, idempotency_key, {}, email=email, name=name, metadata=metadata)


@_checked
async def create_refund(
    payment_intent_id: Identifier,
    *,
    amount: Amount | None = None,
    reason: RefundReason | None = None,
    metadata: Metadata | None = None,
    idempotency_key: IdempotencyKey | None = None,
) -> Refund:
    """Give money back: what is left of the payment unless an amount is given. Raises as `create_payment_intent` does.

    The refund may be pending: webhooks tell what comes of it.

    Args:
        payment_intent_id: The payment.
        amount: In minor units.
        reason: "fraudulent" has Stripe block the card and address, too (API reference, "Create a refund").
        metadata: See `create_payment_intent`.
        idempotency_key: See there.
    """
    params = {"payment_intent": payment_intent_id}
    return await _create(Refund, idempotency_key, params, amount=amount, reason=reason, metadata=metadata)


@_checked
async def create_checkout_session(
    amount: Amount,
    currency: Currency = "usd",
    *,
    description: Text,
    reference: Text,
    metadata: Metadata | None = None,
    idempotency_key: IdempotencyKey | None = None,
) -> CheckoutSession:
    """Make a page on which a customer pays; it leads back to STRIPE_RETURN_URL. Raises as `create_payment_intent` does.

    Args:
        amount: In minor units.
        currency: ISO 4217, in lower case.
        description: The name of the purchase, as the customer reads it.
        reference: The name by which the page they return to knows it, as `reference` in its query.
        metadata: Comes back with the webhooks.
        idempotency_key: See `create_payment_intent`.
    """
    back = get_payments().settings.return_url
    joined = "&" if "?" in back else "?"
    success, cancelled = (
        f"{back}{joined}{urlencode({'reference': reference, 'outcome': outcome})}" for outcome in ("done", "cancelled")
    )
    price = {"currency": currency, "unit_amount": amount, "product_data": {"name": description}}
    # The page's lifetime is Stripe's, a day: a moment of ours would differ when the call is repeated.
    params = {
        "mode": "payment",
        "line_items": [{"quantity": 1, "price_data": price}],
        "success_url": success,
        "cancel_url": cancelled,
        "payment_intent_data": {"metadata": dict(metadata or {})},
    }
    return await _create(CheckoutSession, idempotency_key, params, metadata=metadata)


@_checked
async def get_checkout_session(session_id: Identifier) -> CheckoutSession:
    """Return a checkout page as it is now. Raises as `create_payment_intent` does."""
    return await get_payments().client.get_checkout_session(session_id)


async def _create(kind: type[T], key: str | None, params: dict[str, Any], **given: object) -> T:
    params |= {
        name: dict(each) if isinstance(each, Mapping) else each for name, each in given.items() if each is not None
    }
    return await get_payments().client.create(kind, params, idempotency_key=key or uuid4().hex)


@_checked
def verify_webhook_signature(body: bytes, signature: str | None) -> bool:
    """Return True if a webhook comes from Stripe, and is recent: HMAC-SHA-256 over its moment and its body.

    Stripe documentation, "Verify webhook signatures manually". Written out because the library's own fails on letters
    beyond ASCII and would have to be loaded where payments are switched off. The tests compare the two.

    Args:
        body: As it arrived, to the byte.
        signature: The header `Stripe-Signature`: `t=<seconds>,v1=<hex>`, several v1 while secrets are exchanged.

    Raises:
        SignatureError: It is missing, malformed, another body's, or not recent.
    """
    settings = get_payments().settings
    if not settings.webhook_secrets:
        raise SignatureError("Webhooks are not accepted here: STRIPE_WEBHOOK_SECRET is not set.")
    pairs = [part.partition("=")[::2] for part in (signature or "").split(",")]
    timestamps = [value for name, value in pairs if name.strip() == "t"]
    if len(timestamps) != 1 or not _TIMESTAMP.fullmatch(timestamps[0]):
        raise SignatureError("The webhook has no signature.")
    signed = timestamps[0].encode() + b"." + body
    # Bytes: comparing texts in constant time works for ASCII only.
    given = [value.strip().encode("utf-8", "replace") for name, value in pairs if name.strip() == "v1"]
    keys = [secret.get_secret_value().encode() for secret in settings.webhook_secrets]
    expected = [hmac.new(key, signed, hashlib.sha256).hexdigest().encode() for key in keys]
    if not any(hmac.compare_digest(right, each) for right in expected for each in given):
        raise SignatureError("The webhook's signature is wrong: STRIPE_WEBHOOK_SECRET must be its endpoint's.")
    # In both directions: a recorded webhook cannot be played back later, and a moment to come would be fresh for long.
    if abs(time.time() - int(timestamps[0])) > settings.webhook_tolerance_seconds:
        raise SignatureError("The webhook's signature is too old, or one of the two clocks is wrong.")
    return True


@_checked
def construct_event(body: bytes, signature: str | None) -> WebhookEvent:
    """Return the event of a webhook, once its signature has been checked.

    Raises:
        SignatureError: It is not Stripe's, or not recent.
        ValidationError: It is no event of the shape that this application reads.
    """
    verify_webhook_signature(body, signature)
    return WebhookEvent.parse(body)
