"""What Stripe answers, as far as this application uses it: the same from the API, in webhooks and in test mode."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, Field, SecretStr
from pydantic import ValidationError as PydanticValidationError

from app.core.payment.arguments import Identifier


class UnreadableError(ValueError):
    """Something has another shape than Stripe's reference says; the message names places and rules, never values."""


class StripeObject(BaseModel):
    """What these have in common.

    Attributes:
        id: Stripe's.
        test_mode: Whether no real money is involved.
    """

    model_config = ConfigDict(frozen=True, extra="ignore", hide_input_in_errors=True)

    id: Identifier
    test_mode: bool

    @classmethod
    def read(cls, raw: Mapping[str, Any], *, test_mode: bool) -> Self:
        """From the names of Stripe's API reference.

        Raises:
            UnreadableError: It is something else.
        """
        try:
            return cls.model_validate({**raw, "test_mode": test_mode})
        except PydanticValidationError as err:
            problems = err.errors(include_input=False, include_url=False, include_context=False)
        raise UnreadableError("; ".join(f"{'.'.join(map(str, each['loc']))}: {each['type']}" for each in problems))


class PaymentIntent(StripeObject):
    """An amount to be collected; `client_secret` lets the customer's browser confirm it."""

    amount: int
    currency: str
    status: str
    customer_id: Identifier | None = Field(default=None, alias="customer")
    client_secret: SecretStr | None = None


class Customer(StripeObject):
    """Somebody who pays more than once."""

    email: str | None = None


class Refund(StripeObject):
    """Money on its way back. `status`: pending, requires_action, succeeded, failed or canceled."""

    amount: int
    status: str
    payment_intent_id: Identifier | None = Field(default=None, alias="payment_intent")


class CheckoutSession(StripeObject):
    """A page on which a customer pays.

    Attributes:
        url: Where it is, while it is open.
        status: open, complete or expired.
        payment_status: unpaid, paid or no_payment_required.
        amount: In minor units.
        payment_intent_id: There once the customer has begun to pay.
        expires_at: When it closes.
        metadata: What we gave it; customers cannot change it.
    """

    url: str | None = None
    status: str
    payment_status: str
    amount: int | None = Field(default=None, alias="amount_total")
    currency: str | None = None
    payment_intent_id: Identifier | None = Field(default=None, alias="payment_intent")
    expires_at: datetime
    metadata: dict[str, str] = Field(default_factory=dict)

    @property
    def is_paid(self) -> bool:
        """Whether the money is there, which a completed page alone does not mean: some banks take days."""
        return self.payment_status in {"paid", "no_payment_required"}
