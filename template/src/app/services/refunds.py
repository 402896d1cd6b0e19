"""Giving the money of an order back. As with `checkout`, no transaction is open while Stripe is asked."""

from datetime import UTC, datetime
from uuid import UUID

from sqlalchemy import func

from app.core import payment
from app.core.exceptions import BusinessRuleError
from app.core.uow import unit_of_work
from app.models.domain.order import REFUNDABLE, Order, OrderStatus
from app.services.orders import lock_own_order, set_status
from app.services.settlement import refund_metadata, restate, settle_refund

# Stripe's code for a payment whose money is back already (documentation, "Error codes").
_REFUNDED_ALREADY = "charge_already_refunded"


async def refund_order(owner_id: UUID, order_id: UUID) -> Order:
    """Refund what is left of an order, and return it, refunded or being refunded. Safe to repeat.

    Raises:
        ResourceNotFoundError: There is no such order.
        BusinessRuleError: It is not paid, or disputed.
        PaymentError: Stripe refused, or did not say; then the order is `refunding`, and the same request may be made
            again.
        PaymentSwitchedOffError: Before anything else, where payments are switched off.
    """
    payment.get_payments()
    order = await _begin(owner_id, order_id)
    if not order.refund_asked:
        return order
    try:
        refund = await payment.create_refund(
            str(order.payment_intent_id),
            amount=order.amount - order.amount_refunded,
            metadata=refund_metadata(order),
            idempotency_key=f"order-{order.id}-refund-{order.refund_attempt}",
        )
    except (payment.PaymentRefusedError, payment.PaymentDeclinedError) as err:
        if err.details.get("code") == _REFUNDED_ALREADY:
            return await _end(order, refunded=True)
        await _end(order, refunded=False)
        raise
    async with unit_of_work() as uow:
        return await settle_refund(uow, refund, datetime.now(UTC)) or order


async def _begin(owner_id: UUID, order_id: UUID) -> Order:
    async with unit_of_work() as uow:
        order = await lock_own_order(uow, owner_id, order_id)
        if order.status in {OrderStatus.REFUNDING, OrderStatus.REFUNDED}:
            return order
        if order.status not in REFUNDABLE:
            raise BusinessRuleError(f"This order is {order.status}: there is nothing to refund.")
        return await restate(uow, order, refund_attempt=order.refund_attempt + 1, refund_asked=True)


async def _end(order: Order, *, refunded: bool) -> Order:
    """Record that Stripe has refused the refund, unless another one has begun since."""
    async with unit_of_work() as uow:
        now = await lock_own_order(uow, order.owner_id, order.id)
        if now.refund_attempt != order.refund_attempt:
            return now
        if not refunded:
            return await restate(uow, now, refund_asked=False)
        # By hand, and the webhook is still under way.
        changes = {"refund_asked": False, "amount_refunded": now.amount, "refunded_at": func.now()}
        return await set_status(uow, now, OrderStatus.REFUNDED, **changes)
