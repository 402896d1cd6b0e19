"""What news of a payment means for its order: whether a webhook brings it or Stripe's own answer, in any order, twice.

The caller has the payment locked (`orders.lock_payment`), then the order.
"""

from sqlalchemy import func

from app.core import get_logger, monitor, payment
from app.core.uow import UnitOfWork
from app.models.domain.order import Order, OrderStatus
from app.repositories import orders, webhook_events
from app.services.orders import advance

logger = get_logger(__name__)

# What a refund can end as (API reference, "Refund": status).
_REFUND_FAILED = frozenset({"failed", "canceled"})


async def settle_checkout(uow: UnitOfWork, order: Order, session: payment.CheckoutSession) -> Order:
    """A checkout page is paid, completed, or closed without either."""
    if session.is_paid:
        return await _settle_payment(uow, order, session)
    # Of pages that were given up, only that somebody has paid matters.
    if session.id != order.checkout_session_id:
        return order
    if session.status == "complete":
        return await advance(uow, order, OrderStatus.PROCESSING) or order
    if session.status == "expired":
        return await orders.update_order(uow.session, order.id, next_attempt(order))
    return order


async def settle_failure(uow: UnitOfWork, order: Order, session: payment.CheckoutSession) -> Order:
    """The money that a completed page had promised does not come; the next checkout is a new page."""
    if session.id != order.checkout_session_id:
        return order
    return await advance(uow, order, OrderStatus.FAILED, **next_attempt(order)) or order


def next_attempt(order: Order) -> dict[str, object]:
    """What an order forgets when its checkout page is gone."""
    return {
        "checkout_attempt": order.checkout_attempt + 1,
        "checkout_session_id": None,
        "checkout_url": None,
        "checkout_expires_at": None,
    }


async def settle_refund(uow: UnitOfWork, order: Order, refund: payment.Refund) -> Order:
    """Money is on its way back, has arrived there, or has not."""
    if refund.id in order.failed_refunds:
        return order
    if refund.amount < order.amount:
        # Made by hand in Stripe's dashboard; this application refunds whole orders.
        logger.warning("a part of an order was refunded", extra={"order_id": str(order.id), "refund_id": refund.id})
        return order
    if refund.status in _REFUND_FAILED:
        return await _settle_failed_refund(uow, order, refund)
    if refund.status == "succeeded":
        refunded = await advance(uow, order, OrderStatus.REFUNDED, refund_id=refund.id, refunded_at=func.now())
        return refunded or order
    if order.status == OrderStatus.REFUNDING:
        return await orders.update_order(uow.session, order.id, {"refund_id": refund.id})
    return await advance(uow, order, OrderStatus.REFUNDING, refund_id=refund.id) or order


async def _settle_failed_refund(uow: UnitOfWork, order: Order, refund: payment.Refund) -> Order:
    facts = {"order_id": str(order.id), "refund_id": refund.id}
    changes: dict[str, object] = {"failed_refunds": [*order.failed_refunds, refund.id]}
    if order.refund_id in {None, refund.id}:
        monitor.capture_message("a refund failed: the customer has not got the money", "error", context=facts)
        changes |= {"refund_id": None, "refunded_at": None}
        if paid := await advance(uow, order, OrderStatus.PAID, **changes):
            return paid
    return await orders.update_order(uow.session, order.id, changes)


async def _settle_payment(uow: UnitOfWork, order: Order, session: payment.CheckoutSession) -> Order:
    facts = {"order_id": str(order.id), "session_id": session.id, "payment_intent_id": session.payment_intent_id}
    if (session.amount, session.currency) != (order.amount, order.currency):
        monitor.capture_message("something else was paid than was ordered", "error", context=facts)
        return order
    if order.payment_intent_id is not None:
        if session.payment_intent_id != order.payment_intent_id:
            monitor.capture_message("an order was paid twice: refund one of the payments", "error", context=facts)
        return order
    changes = {
        "payment_intent_id": session.payment_intent_id,
        "paid_at": func.now(),
        "test_mode": session.test_mode,
    }
    paid = await advance(uow, order, OrderStatus.PAID, **changes) or order
    # The refund's webhook may have come first.
    if session.payment_intent_id is not None:
        for content in await webhook_events.take_waiting(uow.session, session.payment_intent_id):
            paid = await settle_refund(uow, paid, payment.Refund.model_validate(content))
    return paid
