"""Statements on orders, one each."""

from collections.abc import Mapping, Sequence
from typing import Final
from uuid import UUID

from sqlalchemy import ColumnElement, Text, bindparam, func, select, true, update
from sqlalchemy.dialects.postgresql import insert

from app.core.database import ReadSession, Statement, WriteSession
from app.models.domain.order import Order
from app.models.schemas.order import OrderRead

_OWN = select(Order).where(Order.owner_id == bindparam("owner_id"))
_FIND: Final = Statement(_OWN.where(Order.id == bindparam("order_id")), OrderRead)
_NEWEST = _OWN.order_by(Order.id.desc()).limit(bindparam("limit"))
_LIST: Final = Statement(_NEWEST.where(Order.id < bindparam("before")), OrderRead)
_LOCK_PAYMENT: Final = Statement(
    select(func.pg_advisory_xact_lock(func.hashtextextended(bindparam("payment_intent_id", type_=Text), 0)))
)


async def insert_order(session: WriteSession, values: Mapping[str, object]) -> Order | None:
    """Insert an order; None when its owner has used the idempotency key, which the statement itself finds out."""
    statement = (
        insert(Order)
        .values(dict(values))
        .on_conflict_do_nothing(index_elements=[Order.owner_id, Order.idempotency_key])
        .returning(Order)
    )
    return (await (await session.orm()).scalars(statement)).one_or_none()


async def get_order_by_key(session: WriteSession, owner_id: UUID, idempotency_key: str) -> Order:
    """Return the order that was made under this key."""
    statement = select(Order).where(Order.owner_id == owner_id, Order.idempotency_key == idempotency_key)
    return (await (await session.orm()).scalars(statement)).one()


async def find_order(session: ReadSession, owner_id: UUID, order_id: UUID) -> OrderRead | None:
    """Return the owner's order of this id."""
    return await session.one_or_none(_FIND, owner_id=owner_id, order_id=order_id)


async def lock_order(session: WriteSession, order_id: UUID, *, owner_id: UUID | None = None) -> Order | None:
    """Return the order as it is now, locked until the end of this transaction."""
    return await _lock(session, Order.id == order_id, Order.owner_id == owner_id if owner_id else true())


async def lock_order_of_payment(session: WriteSession, payment_intent_id: str) -> Order | None:
    """Return the order that a payment is known to be for, likewise."""
    return await _lock(session, Order.payment_intent_id == payment_intent_id)


async def lock_payment(session: WriteSession, payment_intent_id: str) -> None:
    """Lock a payment until this transaction ends: there may be no order of it to lock yet."""
    await session.execute(_LOCK_PAYMENT, payment_intent_id=payment_intent_id)


async def update_order(session: WriteSession, order_id: UUID, changes: Mapping[str, object]) -> Order:
    """Change an order, and return it."""
    statement = (
        update(Order)
        .where(Order.id == order_id)
        .values(dict(changes))
        .returning(Order)
        .execution_options(synchronize_session=False, populate_existing=True)
    )
    return (await (await session.orm()).scalars(statement)).one()


async def list_orders(session: ReadSession, owner_id: UUID, *, before: UUID, limit: int) -> Sequence[OrderRead]:
    """Return the owner's orders whose keys are before this one, newest first."""
    return await session.all(_LIST, owner_id=owner_id, before=before, limit=limit)


async def _lock(session: WriteSession, *conditions: ColumnElement[bool]) -> Order | None:
    statement = select(Order).where(*conditions).with_for_update().execution_options(populate_existing=True)
    return (await (await session.orm()).scalars(statement)).one_or_none()
