"""Orders on the wire."""

from dataclasses import dataclass
from datetime import datetime
from typing import Annotated
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from app.models.domain.order import OrderStatus
from app.models.schemas.types import END, Cursor, Input, Line, PageSize

# Stripe's largest amount in most currencies: eight digits (documentation, "Supported currencies").
MAX_AMOUNT = 99_999_999

Amount = Annotated[
    int,
    Field(strict=True, ge=1, le=MAX_AMOUNT, description="In minor units: cents, or whole yen.", examples=[1250]),
]
Currency = Annotated[
    str, StringConstraints(pattern=r"^[a-z]{3}$"), Field(description="ISO 4217, in lower case.", examples=["usd"])
]
IdempotencyKey = Annotated[str, StringConstraints(pattern=r"^[\x21-\x7e]{1,255}$")]


class OrderCreate(Input):
    """A new order.

    Here the payer says how much, as with a donation. A shop takes the amount from a table of prices.
    """

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"description": "A donation", "amount": 1250, "currency": "usd"}]}
    )

    description: Line = Field(
        description="The name of the purchase, as the payer will read it; whitespace around it is removed.",
        examples=["A donation"],
    )
    amount: Amount
    currency: Currency = "usd"


@dataclass(slots=True)
class OrderRead:
    """An order as it is."""

    id: UUID
    description: Annotated[str, Field(examples=["A donation"])]
    amount: Amount
    currency: Currency
    status: OrderStatus
    test_mode: Annotated[bool, Field(description="True if it was paid with no real money.")]
    paid_at: datetime | None
    amount_refunded: Annotated[int, Field(ge=0, description="In minor units; what has come back so far.", examples=[0])]
    refunded_at: Annotated[datetime | None, Field(description="The moment at which all of it had come back.")]
    created_at: datetime
    updated_at: datetime

    def __post_init__(self) -> None:
        """Read the column's text."""
        self.status = OrderStatus(self.status)


class CheckoutRead(BaseModel):
    """The page to pay on."""

    order_id: UUID
    url: str = Field(description="Send the payer there.", examples=["https://checkout.stripe.com/c/pay/cs_live_a1"])
    expires_at: datetime = Field(description="Until then; ask for a new one afterwards.")
    test_mode: bool = Field(description="True if no real money is involved.")


class OrderQuery(Input):
    """The orders to list."""

    cursor: Cursor = END
    limit: PageSize = 20
