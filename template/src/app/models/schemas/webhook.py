"""Webhooks on the wire."""

from enum import StrEnum

from pydantic import BaseModel


class WebhookOutcome(StrEnum):
    """The outcomes of an event."""

    HANDLED = "handled"
    IGNORED = "ignored"  # of no interest here, of the other mode, or of another account
    DUPLICATE = "duplicate"


class WebhookReceipt(BaseModel):
    """The answer to Stripe, which reads the status alone; people read this in its dashboard."""

    outcome: WebhookOutcome
