"""The process's one way to take payments: made by the lifespan, used through `app.core.payment`."""

from dataclasses import dataclass
from typing import Final

from app.core.config.stripe import StripeSettings
from app.core.exceptions import ConfigurationError
from app.core.health import HealthCheck
from app.core.payment.gateway import PaymentGateway
from app.core.payment.signatures import WebhookSignatures
from app.core.payment.simulated import SimulatedGateway
from app.core.singletons import ProcessWide
from app.core.stage import Environment


@dataclass(frozen=True, kw_only=True)
class Payments:
    """What payments are made with.

    Attributes:
        gateway: Stripe, or its stand-in.
        signatures: Tells Stripe's webhooks from others.
        return_url: Where customers come back to.
    """

    gateway: PaymentGateway
    signatures: WebhookSignatures
    return_url: str


_current: Final = ProcessWide[Payments]("Payments are", init="init_payment(settings, …)", close="close_payment()")


def init_payment(settings: StripeSettings, environment: Environment) -> Payments:
    """Make them. Nothing is connected.

    Args:
        settings: Keys and limits.
        environment: The stage; production takes no payment that is made up.

    Raises:
        ConfigurationError: There are some already, or this is production in test mode.
    """
    return _current.open(lambda: _make_payments(settings, environment))


def close_payment() -> None:
    """Forget them; connections belong to `app.core.http`."""
    _current.take()


def get_payments() -> Payments:
    """What payments are made with.

    Raises:
        ConfigurationError: There is nothing yet, or no longer.
    """
    return _current.get()


def payment_health_checks(settings: StripeSettings) -> list[HealthCheck]:
    """One, if there is a service to ask; all requests but payments can do without it."""
    return [HealthCheck("payment", get_payments().gateway.check, required=False)] if settings.enabled else []


def _make_payments(settings: StripeSettings, environment: Environment) -> Payments:
    gateway = _make_gateway(settings)
    # The settings have refused this already, where they were loaded and not made by hand.
    if gateway.test_mode and environment is Environment.PRODUCTION:
        raise ConfigurationError(
            "Payments are in test mode, and this is production.",
            next_step="Set STRIPE_ENABLED to true and STRIPE_SECRET_KEY to a live key.",
        )
    return Payments(
        gateway=gateway,
        signatures=WebhookSignatures(settings.webhook_secrets, tolerance_seconds=settings.webhook_tolerance_seconds),
        return_url=settings.return_url,
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
