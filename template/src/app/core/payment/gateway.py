"""The port that takes payments: Stripe, or its stand-in."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

from app.core.payment.arguments import RefundReason
from app.core.payment.results import CheckoutSession, Customer, PaymentIntent, Refund


@dataclass(frozen=True, kw_only=True)
class Charge:
    """An amount to be paid.

    Attributes:
        amount: In minor units: cents, or whole yen.
        currency: ISO 4217, in lower case.
        metadata: Facts of ours that Stripe keeps with it.
    """

    amount: int
    currency: str
    metadata: Mapping[str, str] = field(default_factory=dict)


class PaymentGateway(Protocol):
    """Every write takes an idempotency key: with the same one it is done once, whatever is lost on the way.

    What each raises is a `PaymentError` of `app.core.payment.errors`.
    """

    @property
    def test_mode(self) -> bool:
        """True when no real money is involved."""

    async def create_payment_intent(
        self, charge: Charge, *, customer_id: str | None, idempotency_key: str
    ) -> PaymentIntent:
        """An amount to be collected."""

    async def create_customer(
        self, *, email: str | None, name: str | None, metadata: Mapping[str, str], idempotency_key: str
    ) -> Customer:
        """Make a customer."""

    async def create_refund(
        self,
        payment_intent_id: str,
        *,
        amount: int | None,
        reason: RefundReason | None,
        metadata: Mapping[str, str],
        idempotency_key: str,
    ) -> Refund:
        """Give money back: all of it unless an amount is given."""

    async def create_checkout_session(
        self, charge: Charge, *, description: str, success_url: str, cancel_url: str, idempotency_key: str
    ) -> CheckoutSession:
        """A page on which a customer pays."""

    async def get_checkout_session(self, session_id: str) -> CheckoutSession:
        """Return a checkout page as it is now."""

    async def check(self) -> None:
        """Return if payments can be made, raise if not. Cheap enough for a probe."""
