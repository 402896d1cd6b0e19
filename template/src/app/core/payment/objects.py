"""Stripe's objects and events, as far as this application uses them: from the API, in webhooks and simulated."""

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any, Self

from pydantic import AliasPath, BaseModel, ConfigDict, Field, SecretStr, StringConstraints
from pydantic import ValidationError as PydanticValidationError

from app.core.exceptions import ValidationError

# Printable ASCII, which all of Stripe's ids are; they go into columns of this length, and into paths.
Identifier = Annotated[str, StringConstraints(pattern=r"\A[\x21-\x7e]{1,255}\z")]
# Stripe's largest amount in most currencies has eight digits (documentation, "Supported currencies").
Amount = Annotated[int, Field(ge=1, le=99_999_999)]
Currency = Annotated[str, StringConstraints(pattern=r"\A[a-z]{3}\z")]
IdempotencyKey = Annotated[str, StringConstraints(pattern=r"\A[\x20-\x7e]{1,255}\z")]
# API reference, "Metadata".
_Name = Annotated[str, StringConstraints(min_length=1, max_length=40)]
_Value = Annotated[str, StringConstraints(max_length=500)]
Metadata = Annotated[Mapping[_Name, _Value], Field(max_length=50)]
Text = Annotated[str, StringConstraints(min_length=1, max_length=500)]


class UnreadableError(ValueError):
    """Raised when an object has another shape than Stripe's reference says; names places and rules, never values."""


class StripeObject(BaseModel):
    """The base of Stripe's objects.

    Attributes:
        id: Stripe's.
        test_mode: True if no real money is involved.
    """

    model_config = ConfigDict(frozen=True, extra="ignore", hide_input_in_errors=True)

    id: Identifier
    test_mode: bool

    @classmethod
    def read(cls, raw: Mapping[str, Any], *, test_mode: bool) -> Self:
        """Return the object of values by the names of Stripe's API reference.

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
    """A customer, who pays more than once."""

    email: str | None = None


class Refund(StripeObject):
    """Money on its way back. `status`: pending, requires_action, succeeded, failed or canceled."""

    amount: int
    currency: str | None = None
    status: str
    payment_intent_id: Identifier | None = Field(default=None, alias="payment_intent")
    metadata: dict[str, str] = Field(default_factory=dict)


class Dispute(StripeObject):
    """A payment that the payer's bank asks back, or asks about. `status`: see API reference, "Dispute".

    Its amount may differ from the payment's: it may concern a part, and the rate of exchange is the bank's.
    """

    amount: int
    currency: str
    status: str
    payment_intent_id: Identifier | None = Field(default=None, alias="payment_intent")


class CheckoutSession(StripeObject):
    """A page on which a customer pays.

    Attributes:
        url: Its address, while it is open.
        status: open, complete or expired.
        payment_status: unpaid, paid or no_payment_required.
        amount: In minor units.
        payment_intent_id: There once the customer has begun to pay.
        expires_at: The moment it closes.
        metadata: Facts of ours; customers cannot change them.
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
        """True when the money is there, which a completed page alone does not mean: some banks take days."""
        return self.payment_status == "paid" and self.payment_intent_id is not None


class WebhookEvent(BaseModel):
    """A snapshot event of Stripe's.

    Attributes:
        id: The same in every delivery of it.
        type: Such as "checkout.session.completed".
        created: The moment it happened; deliveries come in any order.
        livemode: True if real money is involved.
        account: The account it happened in, where that is not the key's own (Connect).
        data: The object it happened to, as it was then.
    """

    model_config = ConfigDict(frozen=True, extra="ignore", hide_input_in_errors=True)

    id: Identifier
    type: Identifier
    created: datetime
    livemode: bool
    account: str | None = None
    data: dict[str, Any] = Field(validation_alias=AliasPath("data", "object"), repr=False)

    @classmethod
    def parse(cls, body: bytes) -> "WebhookEvent":
        """Read a webhook's body.

        Raises:
            ValidationError: It is no snapshot event.
        """
        try:
            return cls.model_validate_json(body)
        except PydanticValidationError:
            # What it holds belongs to customers.
            pass
        raise ValidationError("body", "must be an event of Stripe's API v1 (a snapshot event)")
