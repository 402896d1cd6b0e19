"""Stripe's events, each once: its id and its effect are committed together, or not at all.

A handler that raises undoes both, and is answered so that Stripe delivers again. A duplicate finds the id.
"""

from collections.abc import Awaitable, Callable, Mapping
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
    """Let an event have its effect, unless it has had it.

    Raises:
        ValidationError: Its content is not what its type promises.
    """
    if not await webhook_events.insert_event(uow.session, event.id, event.type, event.created):
        return _logged(event, WebhookOutcome.DUPLICATE)
    handler = HANDLERS.get(event.type)
    if handler is None or not payment.is_ours(event):
        return _logged(event, WebhookOutcome.IGNORED)
    await handler(uow, event)
    return _logged(event, WebhookOutcome.HANDLED)


async def on_checkout(uow: UnitOfWork, event: payment.WebhookEvent) -> None:
    """Settle that a checkout page was completed, paid or closed."""
    await settle_checkout(uow, _read(payment.CheckoutSession, event))


async def on_checkout_failed(uow: UnitOfWork, event: payment.WebhookEvent) -> None:
    """Settle that the money of a completed page does not come."""
    await settle_checkout(uow, _read(payment.CheckoutSession, event), failed=True)


async def on_refund(uow: UnitOfWork, event: payment.WebhookEvent) -> None:
    """Settle that a refund was made or has changed, by this application or by hand."""
    await settle_refund(uow, _read(payment.Refund, event), event.created)


async def on_dispute(uow: UnitOfWork, event: payment.WebhookEvent) -> None:
    """Settle that a payment is disputed, or what came of it."""
    await settle_dispute(uow, _read(payment.Dispute, event), event.created)


# The events to be chosen for the endpoint in Stripe's dashboard, each with what happens on it.
HANDLERS: Final[Mapping[str, Callable[[UnitOfWork, payment.WebhookEvent], Awaitable[None]]]] = {
    "checkout.session.completed": on_checkout,
    "checkout.session.async_payment_succeeded": on_checkout,
    "checkout.session.async_payment_failed": on_checkout_failed,
    "checkout.session.expired": on_checkout,
    "refund.created": on_refund,
    "refund.updated": on_refund,
    "refund.failed": on_refund,
    "charge.dispute.created": on_dispute,
    "charge.dispute.updated": on_dispute,
    "charge.dispute.closed": on_dispute,
    "charge.dispute.funds_withdrawn": on_dispute,
    "charge.dispute.funds_reinstated": on_dispute,
}


def _read(kind: type[T], event: payment.WebhookEvent) -> T:
    try:
        return kind.read(event.data.object, test_mode=not event.livemode)
    except payment.UnreadableError as err:
        raise ValidationError("data.object", f"is not what {event.type} promises: {err}") from None


def _logged(event: payment.WebhookEvent, outcome: WebhookOutcome) -> WebhookOutcome:
    facts = {"event_id": event.id, "event_type": event.type, "account": event.account}
    logger.info(f"webhook {outcome}", extra=facts)
    RECEIVED.add(event.type, outcome)
    return outcome
