"""The process's payments: the client that makes them, at Stripe or simulated, and the settings."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from app.core.config.section import Environment
from app.core.config.stripe import StripeSettings
from app.core.health import HealthCheck
from app.core.payment.errors import PaymentSwitchedOffError
from app.core.payment.simulated import SimulatedClient
from app.core.process import get_object

if TYPE_CHECKING:
    from app.core.payment.stripe_client import StripeClient


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
    switched_off = environment is Environment.PRODUCTION and client.test_mode
    return Payments(client=client, settings=settings, switched_off=switched_off)


def _make_client(settings: StripeSettings) -> "SimulatedClient | StripeClient":
    if not settings.enabled or settings.secret_key is None:
        return SimulatedClient()
    # Here and not above: the SDK is loaded by those who use it.
    from app.core.payment.stripe_client import StripeClient  # noqa: PLC0415

    return StripeClient(settings.secret_key, settings)
