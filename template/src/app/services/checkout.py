"""Paying for an order.

No transaction is open while Stripe is asked. What is wanted is committed first, and Stripe is asked under a key made of
the order and the attempt: wherever this is cut off, the same request made again, or the webhook, carries on from there.
"""

from datetime import UTC, datetime
from uuid import UUID

from app.core import payment
from app.core.events import get_event_bus
from app.core.exceptions import BusinessRuleError
from app.core.uow import UnitOfWork, unit_of_work
from app.models.domain.order import PAYABLE, Order
from app.models.schemas.order import CheckoutRead
from app.repositories import orders
from app.services.orders import lock_own_order
from app.services.settlement import next_attempt, settle_checkout


async def start_checkout(owner_id: UUID, order_id: UUID) -> CheckoutRead:
    """Where to pay for an order: the page that is open already, else a new one.

    Raises:
        ResourceNotFoundError: There is no such order.
        BusinessRuleError: It is paid, or about to be.
        PaymentError: Stripe did not make a page; the same request may be made again.
    """
    async with unit_of_work() as uow:
        order = await lock_own_order(uow, owner_id, order_id)
    _require_payable(order)
    if order.checkout_session_id is not None:
        if page := _open_page(order):
            return page
        order = await _give_up_page(order, order.checkout_session_id)
        _require_payable(order)
    try:
        session = await payment.create_checkout_session(
            order.amount,
            order.currency,
            description=order.description,
            reference=str(order.id),
            metadata={"order_id": str(order.id)},
            idempotency_key=f"order-{order.id}-checkout-{order.checkout_attempt}",
        )
    except (payment.PaymentBrokenError, payment.PaymentRefusedError):
        # Stripe keeps this answer for the key. A page it may have made all the same is known to nobody.
        await _give_up_attempt(order)
        raise
    return await _record_page(order, session)


async def _record_page(order: Order, session: payment.CheckoutSession) -> CheckoutRead:
    async with unit_of_work(publish=get_event_bus().publish) as uow:
        now = await _locked(uow, order, session)
        if now.checkout_attempt != order.checkout_attempt or now.checkout_session_id not in {None, session.id}:
            raise BusinessRuleError("This order's checkout was started somewhere else: ask again.")
        page = {
            "checkout_session_id": session.id,
            "checkout_url": session.url,
            "checkout_expires_at": session.expires_at,
        }
        now = await orders.update_order(uow.session, now.id, page)
        # In test mode the page is paid from the start.
        now = await settle_checkout(uow, now, session)
    return CheckoutRead(
        order_id=now.id, url=session.url or "", expires_at=session.expires_at, test_mode=session.test_mode
    )


async def _give_up_page(order: Order, session_id: str) -> Order:
    """The order without a page that is over. Stripe is asked first: it may have been paid in its last second."""
    session = await payment.get_checkout_session(session_id)
    async with unit_of_work(publish=get_event_bus().publish) as uow:
        now = await _locked(uow, order, session)
        now = await settle_checkout(uow, now, session)
        if now.checkout_session_id == session_id and session.status != "complete":
            now = await orders.update_order(uow.session, now.id, next_attempt(now))
        return now


async def _give_up_attempt(order: Order) -> None:
    async with unit_of_work() as uow:
        now = await orders.lock_order(uow.session, order.id)
        if now and now.checkout_attempt == order.checkout_attempt and now.checkout_session_id is None:
            await orders.update_order(uow.session, now.id, next_attempt(now))


async def _locked(uow: UnitOfWork, order: Order, session: payment.CheckoutSession) -> Order:
    if session.payment_intent_id is not None:
        await orders.lock_payment(uow.session, session.payment_intent_id)
    return await lock_own_order(uow, order.owner_id, order.id)


def _open_page(order: Order) -> CheckoutRead | None:
    if order.checkout_url is None or order.checkout_expires_at is None:
        return None
    if order.checkout_expires_at <= datetime.now(UTC):
        return None
    return CheckoutRead(
        order_id=order.id,
        url=order.checkout_url,
        expires_at=order.checkout_expires_at,
        test_mode=payment.in_test_mode(),
    )


def _require_payable(order: Order) -> None:
    if order.status not in PAYABLE:
        raise BusinessRuleError(f"This order is {order.status}: there is nothing to pay.")
