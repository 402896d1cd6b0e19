"""The process's means to make payments, used through `app.core.payment`."""

from dataclasses import dataclass

from app.core.config.stripe import StripeSettings
from app.core.exceptions import ConfigurationError
from app.core.health import HealthCheck
from app.core.payment.errors import PaymentSwitchedOffError
from app.core.payment.gateway import PaymentGateway
from app.core.payment.signatures import WebhookSignatures
from app.core.payment.simulated import SimulatedGateway
from app.core.process import get_object
from app.core.stage import Environment


@dataclass(frozen=True, kw_only=True)
class Payments:
    """The means to make payments.

    Attributes:
        gateway: Stripe, or its stand-in.
        signatures: Tells Stripe's webhooks from others.
        return_url: The page that customers come back to.
        accounts: The accounts whose events count where Stripe names one.
        switched_off: True in production without Stripe, where the stand-in must not be used.
    """

    gateway: PaymentGateway
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
    return [HealthCheck("payment", get_payments().gateway.check, required=False, external=True)]


def make_payments(settings: StripeSettings, environment: Environment) -> Payments:
    """Make the means to make payments. Nothing is connected.

    Args:
        settings: Keys and limits.
        environment: The stage; production without Stripe takes no payments, and none with a test key.

    Raises:
        ConfigurationError: This is production with a test key.
    """
    gateway = _make_gateway(settings)
    # The settings have refused this already, where they were loaded and not made by hand.
    if settings.enabled and gateway.test_mode and environment is Environment.PRODUCTION:
        raise ConfigurationError(
            "Payments are in test mode, and this is production.",
            next_step="Set STRIPE_SECRET_KEY to a live key, or STRIPE_ENABLED to false.",
        )
    return Payments(
        gateway=gateway,
        signatures=WebhookSignatures(settings.webhook_secrets, tolerance_seconds=settings.webhook_tolerance_seconds),
        return_url=settings.return_url,
        accounts=frozenset(settings.accounts),
        switched_off=environment is Environment.PRODUCTION and not settings.enabled,
    )


def _make_gateway(settings: StripeSettings) -> PaymentGateway:
    if not settings.enabled:
        return SimulatedGateway()
    if settings.secret_key is None:
        raise ConfigurationError("Stripe is enabled without a key.", next_step="Set STRIPE_SECRET_KEY.")
    # Here and not above: the SDK is loaded by those who use it.
    from app.core.payment.stripe_gateway import StripeGateway  # noqa: PLC0415

    return StripeGateway(
        secret_key=settings.secret_key,
        test_mode=settings.has_test_key,
        api_base=settings.api_base,
        timeout_seconds=settings.timeout_seconds,
        attempts=settings.attempts,
        total_seconds=settings.total_seconds,
    )
