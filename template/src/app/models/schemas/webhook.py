"""Webhooks on the wire."""

from enum import StrEnum

from pydantic import BaseModel


class WebhookOutcome(StrEnum):
    """What an event came to."""

    HANDLED = "handled"
    IGNORED = "ignored"  # nobody here cares for its type, or it is not of this mode
    DUPLICATE = "duplicate"


class WebhookReceipt(BaseModel):
    """What Stripe is told; it reads the status alone, people read this in its dashboard."""

    outcome: WebhookOutcome
