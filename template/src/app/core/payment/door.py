"""The process's payments: the client that makes them, at Stripe or simulated, and the check of its webhooks."""

import hashlib
import hmac
import re
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol, TypeVar

from pydantic import SecretStr

from app.core.config.section import Environment
from app.core.config.stripe import StripeSettings
from app.core.exceptions import SignatureError
from app.core.health import HealthCheck
from app.core.payment.errors import PaymentSwitchedOffError
from app.core.payment.objects import CheckoutSession, StripeObject
from app.core.payment.simulated import SimulatedClient
from app.core.process import get_object

T = TypeVar("T", bound=StripeObject)

_TIMESTAMP: Final = re.compile(r"[0-9]{1,12}")


class PaymentClient(Protocol):
    """The port that takes payments. Each call raises a `PaymentError` of `app.core.payment.errors`."""

    @property
    def test_mode(self) -> bool:
        """True when no real money is involved."""

    async def create(self, kind: type[T], params: Mapping[str, Any], *, idempotency_key: str) -> T:
        """Make an object of Stripe's: once for a key, whatever is lost on the way.

        Args:
            kind: The object's type.
            params: By the names of Stripe's API reference.
            idempotency_key: The same for every repetition of the same wish.
        """

    async def get_checkout_session(self, session_id: str) -> CheckoutSession:
        """Return a checkout page as it is now."""

    async def check(self) -> None:
        """Return if payments can be made, raise if not. Cheap enough for a probe."""


def verify_signature(
    body: bytes, signature: str | None, *, secrets: Sequence[SecretStr], tolerance_seconds: int
) -> None:
    """Return if a webhook comes from Stripe, and is recent: HMAC-SHA-256 over its moment and its body.

    Stripe documentation, "Verify webhook signatures manually". Written out because the library's own raises a TypeError
    on a signature with a letter beyond ASCII, a UnicodeDecodeError on a body that is no UTF-8, and would have to be
    loaded where payments are switched off. The tests compare the two.

    Args:
        body: As it arrived, to the byte.
        signature: The header `Stripe-Signature`: `t=<seconds>,v1=<hex>`, several v1 while secrets are exchanged.
        secrets: Of each endpoint, and while one is rolled both of its secrets; without any, no signature is right.
        tolerance_seconds: The distance between a signature's moment and now, so that a recorded webhook cannot be
            played back later. It holds in both directions: a moment that is yet to come would be fresh for long.

    Raises:
        SignatureError: It is missing, malformed, another body's, or not recent.
    """
    if not secrets:
        raise SignatureError("Webhooks are not accepted here: STRIPE_WEBHOOK_SECRET is not set.")
    pairs = [part.partition("=")[::2] for part in (signature or "").split(",")]
    timestamps = [value for name, value in pairs if name.strip() == "t"]
    if len(timestamps) != 1 or not _TIMESTAMP.fullmatch(timestamps[0]):
        raise SignatureError("The webhook has no signature.")
    signed = timestamps[0].encode() + b"." + body
    # Bytes: comparing texts in constant time works for ASCII only.
    given = [value.strip().encode("utf-8", "replace") for name, value in pairs if name.strip() == "v1"]
    expected = [
        hmac.new(secret.get_secret_value().encode(), signed, hashlib.sha256).hexdigest().encode() for secret in secrets
    ]
    if not any(hmac.compare_digest(right, each) for right in expected for each in given):
        raise SignatureError("The webhook's signature is wrong: STRIPE_WEBHOOK_SECRET must be its endpoint's.")
    age = time.time() - int(timestamps[0])
    if age > tolerance_seconds:
        raise SignatureError("The webhook's signature is too old.")
    if -age > tolerance_seconds:
        raise SignatureError("The webhook's signature is from a time to come: one of the two clocks is wrong.")


@dataclass(frozen=True, kw_only=True)
class Payments:
    """The means to make payments.

    Attributes:
        client: Stripe, or its stand-in.
        webhook_secrets: Tell Stripe's webhooks from others; see `verify_signature`.
        webhook_tolerance_seconds: See there.
        return_url: The page that customers come back to.
        accounts: The accounts whose events count where Stripe names one.
        switched_off: True in production where no real money would move.
    """

    client: PaymentClient
    webhook_secrets: Sequence[SecretStr]
    webhook_tolerance_seconds: int
    return_url: str
    accounts: frozenset[str] = frozenset()
    switched_off: bool = False


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


def make_payments(settings: StripeSettings, environment: Environment) -> Payments:
    """Return the means to make payments, none in production without a live key. Nothing is connected."""
    client = _make_client(settings)
    return Payments(
        client=client,
        webhook_secrets=settings.webhook_secrets,
        webhook_tolerance_seconds=settings.webhook_tolerance_seconds,
        return_url=settings.return_url,
        accounts=frozenset(settings.accounts),
        switched_off=environment is Environment.PRODUCTION and client.test_mode,
    )


def _make_client(settings: StripeSettings) -> PaymentClient:
    if not settings.enabled or settings.secret_key is None:
        return SimulatedClient()
    # Here and not above: the SDK is loaded by those who use it.
    from app.core.payment.stripe_client import StripeClient  # noqa: PLC0415

    return StripeClient(
        secret_key=settings.secret_key,
        test_mode=settings.has_test_key,
        api_base=settings.api_base,
        timeout_seconds=settings.timeout_seconds,
        attempts=settings.attempts,
        total_seconds=settings.total_seconds,
    )
