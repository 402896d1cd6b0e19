"""Statements on items, one each."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple
from uuid import UUID

from sqlalchemy import (
    Boolean,
    ColumnElement,
    cast,
    delete,
    func,
    literal,
    literal_column,
    select,
    tuple_,
    update,
)
from sqlalchemy.dialects.postgresql import REAL, insert
from sqlalchemy.sql.dml import ReturningInsert

from app.core.database import ReadSession, WriteSession
from app.models.domain.item import Item
from app.models.schemas.item import ItemQuery
from app.models.schemas.page import Cursor


class RankedItem(NamedTuple):
    """An item and how well it matched the search, from 0 to 1."""

    item: Item
    rank: float


async def find_item(session: ReadSession, owner_id: UUID, item_id: UUID) -> Item | None:
    """Return the owner's item of this key."""
    return (await session.scalars(select(Item).where(Item.id == item_id, Item.owner_id == owner_id))).one_or_none()


async def insert_item(session: WriteSession, values: Mapping[str, object]) -> Item | None:
    """Insert an item; None when its SKU is taken, which the statement itself finds out."""
    statement = (
        insert(Item)
        .values(dict(values))
        .on_conflict_do_nothing(index_elements=[Item.owner_id, Item.sku])
        .returning(Item)
    )
    return (await session.execute(statement)).scalar_one_or_none()


async def upsert_item(session: WriteSession, values: Mapping[str, object]) -> tuple[Item, bool]:
    """Insert or replace the owner's item of this SKU; return it, and True if it is new."""
    statement = insert(Item).values(dict(values))
    columns = [Item.__mapper__.columns[name].name for name in values if name not in {"owner_id", "sku"}]
    upsert: ReturningInsert[Item, bool] = statement.on_conflict_do_update(
        index_elements=[Item.owner_id, Item.sku],
        set_={
            **{name: statement.excluded[name] for name in columns},
            "version": Item.version + 1,
            "updated_at": func.now(),
        },
        # A row that this statement inserted has never been locked or deleted: its xmax is 0.
    ).returning(Item, literal_column("(items.xmax = 0)", Boolean))
    item, created = (await session.execute(upsert, execution_options={"populate_existing": True})).one()
    return item, created


async def update_item(
    session: WriteSession, owner_id: UUID, item_id: UUID, *, version: int, changes: Mapping[str, object]
) -> Item | None:
    """Change an item and return it; None when there is none of this key and version."""
    statement = (
        update(Item)
        .where(Item.id == item_id, Item.owner_id == owner_id, Item.version == version)
        .values({**changes, "version": Item.version + 1})
        .returning(Item)
        .execution_options(synchronize_session=False, populate_existing=True)
    )
    return (await session.execute(statement)).scalar_one_or_none()


async def delete_item(session: WriteSession, owner_id: UUID, item_id: UUID) -> bool:
    """Delete an item; return False where there was none."""
    statement = delete(Item).where(Item.id == item_id, Item.owner_id == owner_id).returning(Item.id)
    return (await session.execute(statement)).scalar_one_or_none() is not None


async def list_items(
    session: ReadSession, owner_id: UUID, which: ItemQuery, *, after: Cursor | None, fuzzy: bool
) -> Sequence[RankedItem]:
    """Return the owner's items, best match first, newest first among equals; one more than asked for, if there are.

    Args:
        session: A session that may read.
        owner_id: The owner.
        which: Conditions that hold together.
        after: Begin after this row.
        fuzzy: Search by similarity (needs pg_trgm), else by substring.
    """
    rank: ColumnElement[float] = literal(0.0, REAL)
    conditions: list[ColumnElement[bool]] = [Item.owner_id == owner_id]
    if which.tag:
        conditions.append(Item.tags.contains(which.tag))
    if which.metadata:
        conditions.append(Item.attributes.contains(which.metadata))
    if which.search and fuzzy:
        # Both the operator, which the index answers, and the function compare the search with the closest part of the
        # name (documentation, F.35): typing errors are forgiven, and a long name does not count against itself.
        conditions.append(literal(which.search).op("<%", is_comparison=True)(Item.name))
        rank = func.word_similarity(which.search, Item.name, type_=REAL)
    elif which.search:
        conditions.append(Item.name.icontains(which.search, autoescape=True))
    if after is not None:
        # The rank came from the server as a real and goes back as one, so that equality holds.
        conditions.append(tuple_(rank, Item.id) < tuple_(cast(after.rank, REAL), after.id))
    statement = select(Item, rank).where(*conditions).order_by(rank.desc(), Item.id.desc()).limit(which.limit + 1)
    return [RankedItem(item, value) for item, value in await session.execute(statement)]
