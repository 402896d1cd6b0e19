"""Stripe's events, each once: its id and its effect are committed together, or not at all.

An effect that fails undoes both, and is answered so that Stripe delivers again. A duplicate finds the id.
"""

from typing import Final, TypeVar

from app.core import get_logger, payment
from app.core.exceptions import ValidationError
from app.core.telemetry import Counter
from app.core.uow import UnitOfWork
from app.models.schemas.webhook import WebhookOutcome
from app.repositories import webhook_events
from app.services.settlement import settle_checkout, settle_dispute, settle_refund

logger = get_logger(__name__)

RECEIVED: Final = Counter("app_webhooks_total", "Events of Stripe by their type and outcome.", "type", "outcome")

T = TypeVar("T", payment.CheckoutSession, payment.Dispute, payment.Refund)


async def receive_event(uow: UnitOfWork, event: payment.WebhookEvent) -> WebhookOutcome:
    """Let an event have its effect, unless it has had it; ValidationError where it is not what its type promises."""
    if not await webhook_events.insert_event(uow.session, event.id, event.type, event.created):
        return _logged(event, WebhookOutcome.DUPLICATE)
    if not payment.is_ours(event) or not await _settle(uow, event):
        return _logged(event, WebhookOutcome.IGNORED)
    return _logged(event, WebhookOutcome.HANDLED)


async def _settle(uow: UnitOfWork, event: payment.WebhookEvent) -> bool:
    """Let an event have its effect; return False for a type that has none here.

    In Stripe's dashboard, choose these types for the endpoint.
    """
    match event.type:
        case "checkout.session.completed" | "checkout.session.async_payment_succeeded" | "checkout.session.expired":
            await settle_checkout(uow, _read(payment.CheckoutSession, event))
        case "checkout.session.async_payment_failed":
            await settle_checkout(uow, _read(payment.CheckoutSession, event), failed=True)
        case "refund.created" | "refund.updated" | "refund.failed":
            await settle_refund(uow, _read(payment.Refund, event), event.created)
        case (
            "charge.dispute.created"
            | "charge.dispute.updated"
            | "charge.dispute.closed"
            | "charge.dispute.funds_withdrawn"
            | "charge.dispute.funds_reinstated"
        ):
            await settle_dispute(uow, _read(payment.Dispute, event), event.created)
        # Yours below this line.
        case _:
            return False
    return True


def _read(kind: type[T], event: payment.WebhookEvent) -> T:
    try:
        return kind.read(event.data, test_mode=not event.livemode)
    except payment.UnreadableError as err:
        raise ValidationError("data.object", f"is not what {event.type} promises: {err}") from None


def _logged(event: payment.WebhookEvent, outcome: WebhookOutcome) -> WebhookOutcome:
    facts = {"event_id": event.id, "event_type": event.type, "account": event.account}
    logger.info(f"webhook {outcome}", extra=facts)
    RECEIVED.add(event.type, outcome)
    return outcome
