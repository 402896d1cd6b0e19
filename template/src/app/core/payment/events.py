"""Stripe's events: webhooks, read once their signature has been checked."""

from datetime import datetime
from typing import Any

from pydantic import BaseModel, ConfigDict, Field
from pydantic import ValidationError as PydanticValidationError

from app.core.exceptions import ValidationError
from app.core.payment.arguments import Identifier


class _Data(BaseModel):
    model_config = ConfigDict(frozen=True, hide_input_in_errors=True)

    object: dict[str, Any]


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
    data: _Data = Field(repr=False)

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
