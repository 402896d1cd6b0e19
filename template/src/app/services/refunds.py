"""Giving the money of an order back. As with `checkout`, no transaction is open while Stripe is asked."""

from uuid import UUID

from sqlalchemy import func

from app.core import payment
from app.core.exceptions import BusinessRuleError
from app.core.uow import unit_of_work
from app.models.domain.order import Order, OrderStatus
from app.services.orders import advance, lock_own_order
from app.services.settlement import settle_refund

# Stripe's code for a payment whose money is back already (documentation, "Error codes").
_REFUNDED_ALREADY = "charge_already_refunded"


async def refund_order(owner_id: UUID, order_id: UUID) -> Order:
    """The order, refunded or being refunded. Safe to repeat.

    Raises:
        ResourceNotFoundError: There is no such order.
        BusinessRuleError: It is not paid.
        PaymentError: Stripe refused, or did not say; then the order is `refunding`, and the same request may be made
            again.
    """
    order = await _begin(owner_id, order_id)
    if order.status == OrderStatus.REFUNDED or order.refund_id is not None:
        return order
    try:
        refund = await payment.create_refund(
            str(order.payment_intent_id),
            amount=order.amount,
            metadata={"order_id": str(order.id)},
            idempotency_key=f"order-{order.id}-refund-{order.refund_attempt}",
        )
    except (payment.PaymentRefusedError, payment.PaymentDeclinedError) as err:
        if err.details.get("code") == _REFUNDED_ALREADY:
            return await _end(order, OrderStatus.REFUNDED, refunded_at=func.now())
        await _end(order, OrderStatus.PAID)
        raise
    async with unit_of_work() as uow:
        return await settle_refund(uow, await lock_own_order(uow, owner_id, order_id), refund)


async def _begin(owner_id: UUID, order_id: UUID) -> Order:
    async with unit_of_work() as uow:
        order = await lock_own_order(uow, owner_id, order_id)
        if order.status in {OrderStatus.REFUNDING, OrderStatus.REFUNDED}:
            return order
        begun = await advance(uow, order, OrderStatus.REFUNDING, refund_attempt=order.refund_attempt + 1)
        if begun is None or order.payment_intent_id is None:
            raise BusinessRuleError(f"This order is {order.status}: there is nothing to refund.")
        return begun


async def _end(order: Order, status: OrderStatus, **changes: object) -> Order:
    async with unit_of_work() as uow:
        now = await lock_own_order(uow, order.owner_id, order.id)
        if now.refund_attempt != order.refund_attempt:
            return now
        return await advance(uow, now, status, **changes) or now
