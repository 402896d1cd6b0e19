"""The process's payments: the client that makes them, at Stripe or simulated, and its settings."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

from app.core.config import Environment
from app.core.config.stripe import StripeSettings
from app.core.exceptions import ConfigurationError
from app.core.health import HealthCheck
from app.core.payment.errors import PaymentSwitchedOffError
from app.core.payment.objects import CheckoutSession, StripeObject
from app.core.payment.signatures import WebhookSignatures
from app.core.payment.simulated import SimulatedClient
from app.core.process import get_object

T = TypeVar("T", bound=StripeObject)


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


@dataclass(frozen=True, kw_only=True)
class Payments:
    """The means to make payments.

    Attributes:
        client: Stripe, or its stand-in.
        signatures: Tells Stripe's webhooks from others.
        return_url: The page that customers come back to.
        accounts: The accounts whose events count where Stripe names one.
        switched_off: True in production without Stripe, where the stand-in must not be used.
    """

    client: PaymentClient
    signatures: WebhookSignatures
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
    """Return the means to make payments. Nothing is connected.

    Args:
        settings: Keys and limits.
        environment: The stage; production without Stripe takes no payments, and none with a test key.

    Raises:
        ConfigurationError: This is production with a test key.
    """
    client = _make_client(settings)
    # The settings have refused this already, where they were loaded and not made by hand.
    if settings.enabled and client.test_mode and environment is Environment.PRODUCTION:
        raise ConfigurationError(
            "Payments are in test mode, and this is production.",
            next_step="Set STRIPE_SECRET_KEY to a live key, or STRIPE_ENABLED to false.",
        )
    return Payments(
        client=client,
        signatures=WebhookSignatures(settings.webhook_secrets, tolerance_seconds=settings.webhook_tolerance_seconds),
        return_url=settings.return_url,
        accounts=frozenset(settings.accounts),
        switched_off=environment is Environment.PRODUCTION and not settings.enabled,
    )


def _make_client(settings: StripeSettings) -> PaymentClient:
    if not settings.enabled:
        return SimulatedClient()
    if settings.secret_key is None:
        raise ConfigurationError("Stripe is enabled without a key.", next_step="Set STRIPE_SECRET_KEY.")
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
