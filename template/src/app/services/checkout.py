"""Paying for an order.

No transaction is open while Stripe is asked. What is wanted is committed first, and Stripe is asked under a key made of
the order and the attempt: wherever this is cut off, the same request made again, or the webhook, carries on from there.
"""

from datetime import UTC, datetime
from uuid import UUID

from app.core import payment
from app.core.exceptions import BusinessRuleError
from app.core.uow import UnitOfWork, unit_of_work
from app.models.domain.order import PAYABLE, Order
from app.models.schemas.order import CheckoutRead
from app.repositories import orders
from app.services.orders import lock_own_order
from app.services.settlement import next_attempt, settle_checkout

# Stripe's code for what it does not have (documentation, "Error codes").
_MISSING = "resource_missing"


async def start_checkout(owner_id: UUID, order_id: UUID) -> CheckoutRead:
    """Return the page to pay an order on: the one that is open already, else a new one.

    Raises:
        ResourceNotFoundError: There is no such order.
        BusinessRuleError: It is paid, or about to be.
        PaymentError: Stripe did not make a page; the same request may be made again.
        PaymentSwitchedOffError: Before anything else, where payments are switched off.
    """
    payment.get_payments()
    async with unit_of_work() as uow:
        order = await lock_own_order(uow, owner_id, order_id)
    _require_payable(order)
    if page := _open_page(order):
        return page
    if order.checkout_session_id is not None:
        # Over by our clock; Stripe's counts. It may be open yet, and it may have been paid in its last second.
        session = await _look_up(order.checkout_session_id)
        order = await _forget_page(order) if session is None else await _record_news(order, session)
        _require_payable(order)
        if session is not None and order.checkout_session_id is not None:
            return _page(order, session)
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
        # Stripe keeps this answer for the key. A page it may have made all the same is shown to no one.
        await _forget_page(order)
        raise
    return _page(await _record_page(order, session), session)


async def _record_page(order: Order, session: payment.CheckoutSession) -> Order:
    async with unit_of_work() as uow:
        now = await _locked(uow, order, session)
        if now.checkout_attempt != order.checkout_attempt:
            # This page has been shown to no one, and will not be.
            raise BusinessRuleError("This order's checkout was started somewhere else, too: ask again.")
        page = {"checkout_session_id": session.id, "checkout_url": session.url}
        now = await orders.update_order(uow.session, now.id, {**page, "checkout_expires_at": session.expires_at})
        # In test mode the page is paid from the start.
        return await settle_checkout(uow, session) or now


async def _look_up(session_id: str) -> payment.CheckoutSession | None:
    try:
        return await payment.get_checkout_session(session_id)
    except payment.PaymentRefusedError as err:
        if err.details.get("code") != _MISSING:
            raise
        # Of another account, or simulated by a process that has ended.
        return None


async def _record_news(order: Order, session: payment.CheckoutSession) -> Order:
    async with unit_of_work() as uow:
        return await settle_checkout(uow, session) or order


async def _forget_page(order: Order) -> Order:
    """Let the next attempt begin, unless it has begun."""
    async with unit_of_work() as uow:
        now = await lock_own_order(uow, order.owner_id, order.id)
        if now.checkout_attempt != order.checkout_attempt:
            return now
        return await orders.update_order(uow.session, now.id, next_attempt(now))


async def _locked(uow: UnitOfWork, order: Order, session: payment.CheckoutSession) -> Order:
    if session.payment_intent_id is not None:
        await orders.lock_payment(uow.session, session.payment_intent_id)
    return await lock_own_order(uow, order.owner_id, order.id)


def _open_page(order: Order) -> CheckoutRead | None:
    url, end = order.checkout_url, order.checkout_expires_at
    if url is None or end is None or end <= datetime.now(UTC):
        return None
    return CheckoutRead(order_id=order.id, url=url, expires_at=end, test_mode=payment.in_test_mode())


def _page(order: Order, session: payment.CheckoutSession) -> CheckoutRead:
    if session.url is None:
        raise BusinessRuleError("This order's checkout page is closed: what came of it will be known shortly.")
    return CheckoutRead(order_id=order.id, url=session.url, expires_at=session.expires_at, test_mode=session.test_mode)


def _require_payable(order: Order) -> None:
    if order.status not in PAYABLE:
        raise BusinessRuleError(f"This order is {order.status}: there is nothing to pay.")
