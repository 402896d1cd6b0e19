"""What Stripe tells, each event once: its id and its effect are committed together, or not at all.

A handler that raises undoes both, and is answered so that Stripe delivers again. A duplicate finds the id.
"""

from collections.abc import Awaitable, Callable, Mapping
from typing import Final, TypeVar
from uuid import UUID

from app.core import get_logger, payment
from app.core.exceptions import ValidationError
from app.core.uow import UnitOfWork
from app.models.domain.order import Order
from app.models.schemas.webhook import WebhookOutcome
from app.repositories import orders, webhook_events
from app.services.settlement import settle_checkout, settle_failure, settle_refund

logger = get_logger(__name__)

T = TypeVar("T", payment.CheckoutSession, payment.Refund)
Handler = Callable[[UnitOfWork, payment.WebhookEvent], Awaitable[None]]


async def receive_event(uow: UnitOfWork, event: payment.WebhookEvent) -> WebhookOutcome:
    """Let an event have its effect, unless it has had it.

    Raises:
        ValidationError: Its content is not what its type promises.
    """
    facts = {"event_id": event.id, "event_type": event.type}
    if not await webhook_events.insert_event(uow.session, event.id, event.type, event.created):
        logger.info("webhook again", extra=facts)
        return WebhookOutcome.DUPLICATE
    handler = HANDLERS.get(event.type)
    # Endpoints of platforms are sent both kinds (documentation, "Connect webhooks").
    if handler is None or event.livemode is payment.in_test_mode():
        logger.info("webhook ignored", extra=facts)
        return WebhookOutcome.IGNORED
    await handler(uow, event)
    logger.info("webhook handled", extra=facts)
    return WebhookOutcome.HANDLED


async def on_checkout(uow: UnitOfWork, event: payment.WebhookEvent) -> None:
    """A checkout page was completed, paid or closed."""
    session, order = await _checkout_of(uow, event)
    if order is not None:
        await settle_checkout(uow, order, session)


async def on_checkout_failed(uow: UnitOfWork, event: payment.WebhookEvent) -> None:
    """The money of a completed page does not come."""
    session, order = await _checkout_of(uow, event)
    if order is not None:
        await settle_failure(uow, order, session)


async def on_refund(uow: UnitOfWork, event: payment.WebhookEvent) -> None:
    """A refund was made or has changed, by this application or by hand."""
    refund = _read(payment.Refund, event)
    if refund.payment_intent_id is None:
        return
    await orders.lock_payment(uow.session, refund.payment_intent_id)
    order = await orders.lock_order_of_payment(uow.session, refund.payment_intent_id)
    if order is not None:
        await settle_refund(uow, order, refund)
    else:
        # The news that this was paid may come yet.
        await webhook_events.let_event_wait(
            uow.session, event.id, refund.payment_intent_id, refund.model_dump(mode="json", by_alias=True)
        )


# What happens on which event; to be chosen for the endpoint in Stripe's dashboard.
HANDLERS: Final[Mapping[str, Handler]] = {
    "checkout.session.completed": on_checkout,
    "checkout.session.async_payment_succeeded": on_checkout,
    "checkout.session.async_payment_failed": on_checkout_failed,
    "checkout.session.expired": on_checkout,
    "refund.created": on_refund,
    "refund.updated": on_refund,
    "refund.failed": on_refund,
}


async def _checkout_of(uow: UnitOfWork, event: payment.WebhookEvent) -> tuple[payment.CheckoutSession, Order | None]:
    """A checkout page, and the order it was made for; None for pages that others made in the same account."""
    session = _read(payment.CheckoutSession, event)
    try:
        # Not `client_reference_id`: who pays by a payment link may choose that.
        order_id = UUID(session.metadata.get("order_id", ""))
    except ValueError:
        return session, None
    if session.payment_intent_id is not None:
        await orders.lock_payment(uow.session, session.payment_intent_id)
    return session, await orders.lock_order(uow.session, order_id)


def _read(kind: type[T], event: payment.WebhookEvent) -> T:
    try:
        return kind.read(event.data.object, test_mode=not event.livemode)
    except payment.UnreadableError as err:
        raise ValidationError("data.object", f"is not what {event.type} promises: {err}") from None
