"""Statements on orders, one each."""

from collections.abc import Mapping, Sequence
from uuid import UUID

from sqlalchemy import func, select, update
from sqlalchemy.dialects.postgresql import insert

from app.core.database import ReadSession, WriteSession
from app.models.domain.order import Order
from app.models.schemas.page import Cursor


async def insert_order(session: WriteSession, values: Mapping[str, object]) -> Order | None:
    """Insert an order; None when its owner has used the idempotency key, which the statement itself finds out."""
    statement = (
        insert(Order)
        .values(dict(values))
        .on_conflict_do_nothing(index_elements=[Order.owner_id, Order.idempotency_key])
        .returning(Order)
    )
    return (await session.execute(statement)).scalar_one_or_none()


async def get_order_by_key(session: ReadSession, owner_id: UUID, idempotency_key: str) -> Order:
    """Return the order that was made under this key."""
    statement = select(Order).where(Order.owner_id == owner_id, Order.idempotency_key == idempotency_key)
    return (await session.scalars(statement)).one()


async def find_order(session: ReadSession, owner_id: UUID, order_id: UUID) -> Order | None:
    """Return the owner's order of this id."""
    return (await session.scalars(select(Order).where(Order.id == order_id, Order.owner_id == owner_id))).one_or_none()


async def lock_order(session: WriteSession, order_id: UUID, *, owner_id: UUID | None = None) -> Order | None:
    """Return the order as it is now, locked until the end of this transaction."""
    statement = select(Order).where(Order.id == order_id).with_for_update()
    if owner_id is not None:
        statement = statement.where(Order.owner_id == owner_id)
    return (await session.scalars(statement.execution_options(populate_existing=True))).one_or_none()


async def lock_order_of_payment(session: WriteSession, payment_intent_id: str) -> Order | None:
    """Return the order that a payment is known to be for, likewise."""
    statement = select(Order).where(Order.payment_intent_id == payment_intent_id).with_for_update()
    return (await session.scalars(statement.execution_options(populate_existing=True))).one_or_none()


async def lock_payment(session: WriteSession, payment_intent_id: str) -> None:
    """Lock a payment until this transaction ends: there may be no order of it to lock yet."""
    await session.execute(select(func.pg_advisory_xact_lock(func.hashtextextended(payment_intent_id, 0))))


async def update_order(session: WriteSession, order_id: UUID, changes: Mapping[str, object]) -> Order:
    """Change an order, and return it."""
    statement = (
        update(Order)
        .where(Order.id == order_id)
        .values(dict(changes))
        .returning(Order)
        .execution_options(synchronize_session=False, populate_existing=True)
    )
    return (await session.execute(statement)).scalar_one()


async def list_orders(session: ReadSession, owner_id: UUID, *, after: Cursor | None, limit: int) -> Sequence[Order]:
    """Return the owner's orders, newest first."""
    statement = select(Order).where(Order.owner_id == owner_id).order_by(Order.id.desc()).limit(limit)
    if after is not None:
        statement = statement.where(Order.id < after.id)
    return (await session.scalars(statement)).all()
