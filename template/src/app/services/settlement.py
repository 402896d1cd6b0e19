"""The meaning of news of a payment for its order: from a webhook or from Stripe's answer, in any order, and twice.

Every function finds and locks the order itself: first the payment (`orders.lock_payment`), then the order.
"""

from datetime import datetime
from uuid import UUID

from sqlalchemy import func

from app.core import monitor, payment
from app.core.uow import UnitOfWork
from app.models.domain.order import PAYABLE, Order, OrderStatus
from app.models.domain.payment_reversal import PaymentReversal, ReversalKind, status_of_paid
from app.models.events.order import OrderPaid
from app.repositories import orders, payment_reversals
from app.services.orders import set_status


async def settle_checkout(uow: UnitOfWork, session: payment.CheckoutSession, *, failed: bool = False) -> Order | None:
    """Settle that a checkout page is paid, completed, or closed without either.

    Args:
        uow: Where the changes go.
        session: The page.
        failed: True for the news that the money which a completed page had promised does not come.

    Returns:
        The order; None for pages that others made in the same account.
    """
    order = await _lock_order_of_page(uow, session)
    if order is None or not _is_page_of(order, session):
        return None
    if session.is_paid:
        return await _settle_payment(uow, order, session)
    if session.payment_status != "unpaid":
        # Nothing here costs nothing, so that there must be a payment.
        _report("a page says that it is paid and names no payment", order, session_id=session.id)
    # Of pages that were given up, only that they have been paid matters; of paid orders, nothing of a page does.
    elif session.id == order.checkout_session_id and order.payment_intent_id is None:
        return await _settle_unpaid(uow, order, session, failed=failed)
    return order


def next_attempt(order: Order) -> dict[str, object]:
    """Return what changes when an order's checkout page is gone."""
    former = [order.checkout_session_id] if order.checkout_session_id else []
    return {
        "checkout_attempt": order.checkout_attempt + 1,
        "checkout_session_id": None,
        "former_session_ids": [*order.former_session_ids, *former],
        "checkout_url": None,
        "checkout_expires_at": None,
    }


async def settle_refund(uow: UnitOfWork, refund: payment.Refund, happened_at: datetime) -> Order | None:
    """Settle that money is on its way back, has arrived there, or has not; None while its order is not known."""
    order = await _keep_reversal(uow, ReversalKind.REFUND, refund, happened_at)
    if order is None:
        return None
    if refund.currency not in {None, order.currency}:
        _report("a refund is in another currency than its order", order, refund_id=refund.id)
    if refund.status in {"failed", "canceled"}:
        _report("a refund failed: the customer has not got the money", order, refund_id=refund.id)
    asked = order.refund_asked and refund.metadata != refund_metadata(order)
    return await restate(uow, order, refund_asked=asked)


async def settle_dispute(uow: UnitOfWork, dispute: payment.Dispute, happened_at: datetime) -> Order | None:
    """Settle that a payer's bank asks for money, has got it or has not; None while its order is not known."""
    order = await _keep_reversal(uow, ReversalKind.DISPUTE, dispute, happened_at)
    if order is None:
        return None
    _report(f"a payment is disputed ({dispute.status}): Stripe's dashboard has the case", order, dispute_id=dispute.id)
    return await restate(uow, order)


def refund_metadata(order: Order) -> dict[str, str]:
    """Return the facts by which the refund of an order's last attempt is known again."""
    return {"order_id": str(order.id), "attempt": str(order.refund_attempt)}


async def restate(uow: UnitOfWork, order: Order, **changes: object) -> Order:
    """Let a paid order's status follow from all that is known to go back of its payment."""
    order = await orders.update_order(uow.session, order.id, changes) if changes else order
    known = await payment_reversals.list_reversals(uow.session, str(order.payment_intent_id))
    counted = [each for each in known if each.kind == ReversalKind.DISPUTE or each.currency in {None, order.currency}]
    status, refunded = status_of_paid(order.amount, counted, refund_asked=order.refund_asked)
    refunded_at = (order.refunded_at or func.now()) if refunded >= order.amount else None
    return await set_status(uow, order, status, amount_refunded=refunded, refunded_at=refunded_at)


async def _settle_payment(uow: UnitOfWork, order: Order, session: payment.CheckoutSession) -> Order:
    facts = {"session_id": session.id, "payment_intent_id": session.payment_intent_id}
    if (session.amount, session.currency) != (order.amount, order.currency):
        _report("something else was paid than was ordered", order, **facts)
        return order
    if order.payment_intent_id is not None:
        if session.payment_intent_id != order.payment_intent_id:
            _report("an order was paid twice: refund one of the payments", order, **facts)
        return order
    uow.record(OrderPaid(order_id=order.id, owner_id=order.owner_id))
    return await restate(
        uow, order, payment_intent_id=session.payment_intent_id, paid_at=func.now(), test_mode=session.test_mode
    )


async def _settle_unpaid(uow: UnitOfWork, order: Order, session: payment.CheckoutSession, *, failed: bool) -> Order:
    if failed:
        return await set_status(uow, order, OrderStatus.FAILED, **next_attempt(order))
    if session.status == "complete":
        return await set_status(uow, order, OrderStatus.PROCESSING)
    if session.status == "expired" and order.status in PAYABLE:
        return await orders.update_order(uow.session, order.id, next_attempt(order))
    return order


async def _lock_order_of_page(uow: UnitOfWork, session: payment.CheckoutSession) -> Order | None:
    try:
        # Not `client_reference_id`: who pays by a payment link may choose that.
        order_id = UUID(session.metadata.get("order_id", ""))
    except ValueError:
        return None
    if session.payment_intent_id is not None:
        await orders.lock_payment(uow.session, session.payment_intent_id)
    return await orders.lock_order(uow.session, order_id)


def _is_page_of(order: Order, session: payment.CheckoutSession) -> bool:
    """Return whether this application made the page: others may write the same metadata.

    A page is recorded before its address is shown, so that one which is not recorded was never shown.
    """
    if session.id in {order.checkout_session_id, *order.former_session_ids}:
        return True
    if session.is_paid:
        _report("a page that was not made here was paid under an order's id", order, session_id=session.id)
    return False


async def _keep_reversal(
    uow: UnitOfWork, kind: ReversalKind, news: payment.Refund | payment.Dispute, happened_at: datetime
) -> Order | None:
    """Keep the latest that is known of a refund or dispute, and return its order, which may not be known yet."""
    if news.payment_intent_id is None:
        # Not made through a page of ours, which all have a payment.
        return None
    await orders.lock_payment(uow.session, news.payment_intent_id)
    found = await payment_reversals.list_reversals(uow.session, news.payment_intent_id)
    known: PaymentReversal | None = next((each for each in found if each.id == news.id), None)
    if known is None or known.is_overtaken_by(news.status, happened_at):
        content = news.model_dump(include={"id", "payment_intent_id", "amount", "currency", "status"})
        await payment_reversals.upsert_reversal(
            uow.session, {**content, "kind": kind.value, "happened_at": happened_at}
        )
    return await orders.lock_order_of_payment(uow.session, news.payment_intent_id)


def _report(message: str, order: Order, **facts: object) -> None:
    monitor.capture_message(message, "error", context={"order_id": str(order.id), **facts})
