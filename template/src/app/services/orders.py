"""Orders, each of which is its owner's alone."""

from dataclasses import fields
from uuid import UUID

from app.core import get_logger
from app.core.database import ReadSession
from app.core.exceptions import BusinessRuleError, ResourceNotFoundError
from app.core.uow import UnitOfWork
from app.models.domain.order import Order, OrderStatus
from app.models.events.order import OrderStatusChanged
from app.models.schemas.order import OrderCreate, OrderQuery, OrderRead
from app.models.schemas.types import Page
from app.repositories import orders

logger = get_logger(__name__)


async def create_order(
    uow: UnitOfWork, owner_id: UUID, new: OrderCreate, *, idempotency_key: str
) -> tuple[Order, bool]:
    """Return the order of this key, and True if it is new; BusinessRuleError where the key is another order's.

    Safe to repeat.
    """
    wanted = new.model_dump()
    values = {"owner_id": owner_id, "idempotency_key": idempotency_key, **wanted}
    order = await orders.insert_order(uow.session, values)
    if order is not None:
        return order, True
    order = await orders.get_order_by_key(uow.session, owner_id, idempotency_key)
    if any(getattr(order, name) != value for name, value in wanted.items()):
        raise BusinessRuleError(
            "This idempotency key was used for another order: take a new key for a new order.",
            error_code="IDEMPOTENCY_KEY_REUSED",
        )
    return order, False


async def get_order(session: ReadSession, owner_id: UUID, order_id: UUID) -> OrderRead:
    """Return the owner's order of this id; ResourceNotFoundError where there is none."""
    if (order := await orders.find_order(session, owner_id, order_id)) is None:
        raise ResourceNotFoundError("Order", order_id)
    return order


async def list_orders(session: ReadSession, owner_id: UUID, which: OrderQuery) -> Page[OrderRead]:
    """Return a page of orders, the newest first."""
    found = await orders.list_orders(session, owner_id, before=which.cursor, limit=which.limit + 1)
    page = found[: which.limit]
    return Page(items=page, next_cursor=page[-1].id if len(found) > which.limit else None)


def shown(order: Order) -> OrderRead:
    """Return of an order what is shown of it."""
    return OrderRead(*(getattr(order, field.name) for field in fields(OrderRead)))


async def lock_own_order(uow: UnitOfWork, owner_id: UUID, order_id: UUID) -> Order:
    """Return the owner's order, locked for this transaction to change; ResourceNotFoundError where there is none."""
    if (order := await orders.lock_order(uow.session, order_id, owner_id=owner_id)) is None:
        raise ResourceNotFoundError("Order", order_id)
    return order


async def set_status(uow: UnitOfWork, order: Order, status: OrderStatus, **changes: object) -> Order:
    """Change an order's status, and tell of it if it is another. The only place that does; the order must be locked."""
    before = OrderStatus(order.status)
    changed = await orders.update_order(uow.session, order.id, {"status": status, **changes})
    if status != before:
        uow.record(OrderStatusChanged(order_id=order.id, owner_id=order.owner_id, status=status, before=before))
        facts = {"order_id": str(order.id), "status": status.value, "before": before.value}
        uow.after_commit(lambda: logger.info("order status", extra=facts))
    return changed
