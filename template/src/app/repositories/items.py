"""Statements on items, one each; what changes one also writes into the audit."""

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any, Final, cast
from uuid import UUID

from sqlalchemy import (
    ARRAY,
    Text,
    UpdateBase,
    Uuid,
    bindparam,
    case,
    delete,
    func,
    literal_column,
    select,
    text,
    update,
)
from sqlalchemy.dialects.postgresql import REAL, insert
from sqlalchemy.orm import aliased
from uuid_utils.compat import uuid7

from app.core.database import ReadSession, Statement, WriteSession
from app.core.logging import current_request_id
from app.models.domain.item import Item, ItemChange
from app.models.schemas.item import ItemContent, ItemQuery, ItemRead

# A search ranks so many matches, the newest: a common word has a million, and ranking them all takes a second.
_RANKED: Final = 1_000

_OWN: Final = (Item.owner_id == bindparam("owner_id"), Item.id == bindparam("item_id"))
_GIVEN: Final[dict[str, Any]] = {name: bindparam(name) for name in ("owner_id", "sku", *ItemContent.model_fields)}
_CONTENT: Final = [Item.__mapper__.columns[name].name for name in ItemContent.model_fields]
_CONDITIONS: Final = {
    "owner_id": Item.owner_id == bindparam("owner_id"),
    "before": Item.id < bindparam("before"),
    "tags": Item.tags.contains(bindparam("tags")),
    "metadata": Item.attributes.contains(bindparam("metadata")),
    "substring": func.strpos(func.lower(Item.name), func.lower(bindparam("substring", type_=Text))) > 0,
    # Both the operator, which the index answers, and the function compare the search with the closest part of the
    # name (documentation, F.35): typing errors are forgiven, and a long name does not count against itself.
    "words": bindparam("words", type_=Text).op("<%", is_comparison=True)(Item.name),
}


def _audited(change: UpdateBase) -> Statement[ItemRead]:
    """Return the statement that changes an item and writes the change into the audit, in one round trip."""
    made = change.returning(Item).cte("made")
    item = aliased(Item, made)
    action = case((item.version == 1, "created"), else_="changed")
    entry = {
        "id": bindparam("change_id", type_=Uuid),
        "item_id": item.id,
        "owner_id": item.owner_id,
        "action": literal_column("'deleted'") if change.is_delete else action,
        "changed": bindparam("changed", type_=ARRAY(Text)),
        "request_id": bindparam("request_id", type_=Text),
    }
    audit = insert(ItemChange).from_select([*entry], select(*entry.values()))
    return Statement(select(item).add_cte(audit.cte("audit")), ItemRead)


_FIND: Final = Statement(select(Item).where(*_OWN), ItemRead)
_NEW = insert(Item).values(_GIVEN)
_INSERT: Final = _audited(_NEW.on_conflict_do_nothing(index_elements=[Item.owner_id, Item.sku]))
_UPSERT: Final = _audited(
    _NEW.on_conflict_do_update(
        index_elements=[Item.owner_id, Item.sku],
        set_={name: _NEW.excluded[name] for name in _CONTENT} | {"version": Item.version + 1, "updated_at": func.now()},
    )
)
_DELETE: Final = _audited(delete(Item).where(*_OWN))
_IS_FUZZY: Final = Statement(text("SELECT EXISTS (SELECT FROM pg_extension WHERE extname = 'pg_trgm')"), bool)


async def find_item(session: ReadSession, owner_id: UUID, item_id: UUID) -> ItemRead | None:
    """Return the owner's item of this key."""
    return await session.one_or_none(_FIND, owner_id=owner_id, item_id=item_id)


async def insert_item(session: WriteSession, values: Mapping[str, object]) -> ItemRead | None:
    """Insert an item; None when its SKU is taken, which the statement itself finds out."""
    return await _change(session, _INSERT, values)


async def upsert_item(session: WriteSession, values: Mapping[str, object]) -> ItemRead:
    """Insert the owner's item of this SKU, in its first version, or replace it; return it."""
    return cast("ItemRead", await _change(session, _UPSERT, values))


async def update_item(
    session: WriteSession, owner_id: UUID, item_id: UUID, *, version: int, changes: Mapping[str, object]
) -> ItemRead | None:
    """Change an item and return it; None when there is none of this key and version."""
    which = {"owner_id": owner_id, "item_id": item_id, "made_from": version}
    return await _change(session, _update(frozenset(changes)), {**which, **changes})


async def delete_item(session: WriteSession, owner_id: UUID, item_id: UUID) -> bool:
    """Delete an item; return False where there was none."""
    return await _change(session, _DELETE, {"owner_id": owner_id, "item_id": item_id}) is not None


async def list_items(session: ReadSession, owner_id: UUID, which: ItemQuery, *, fuzzy: bool) -> Sequence[ItemRead]:
    """Return the owner's items, best match first, newest first among equals; one more than asked for, if there are.

    A search is `fuzzy` by similarity, which needs pg_trgm, else by substring.
    """
    values: dict[str, object] = {"owner_id": owner_id, "before": which.cursor, "limit": which.limit + 1}
    if which.tag:
        values["tags"] = which.tag
    if which.metadata:
        values["metadata"] = which.metadata
    if which.search:
        values["words" if fuzzy else "substring"] = which.search
    return await session.all(_list(frozenset(values)), **values)


async def is_fuzzy(session: ReadSession) -> bool:
    """Return True if the database has pg_trgm."""
    return await session.one(_IS_FUZZY)


async def _change(
    session: WriteSession, statement: Statement[ItemRead], values: Mapping[str, object]
) -> ItemRead | None:
    changed = [name for name in ItemContent.model_fields if name in values]
    audit = {"change_id": uuid7(), "changed": changed, "request_id": current_request_id()}
    return await session.one_or_none(statement, **values, **audit)


@cache
def _update(names: frozenset[str]) -> Statement[ItemRead]:
    """Return the statement for a set of values, of which there are sixteen."""
    changes: dict[str, Any] = {name: bindparam(name) for name in names}
    statement = update(Item).where(*_OWN, Item.version == bindparam("made_from"))
    return _audited(statement.values({**changes, "version": Item.version + 1}))


@cache
def _list(names: frozenset[str]) -> Statement[ItemRead]:
    """Return the statement for the conditions of these names; a page begins in the index where the last one ended."""
    conditions = [condition for name, condition in _CONDITIONS.items() if name in names]
    if "words" not in names:
        return Statement(select(Item).where(*conditions).order_by(Item.id.desc()).limit(bindparam("limit")), ItemRead)
    rank = func.word_similarity(bindparam("words", type_=Text), Item.name, type_=REAL).label("rank")
    ranked = select(Item.id, rank).where(*conditions).order_by(Item.id.desc()).limit(_RANKED).subquery()
    found = select(Item).join(ranked, ranked.c.id == Item.id).order_by(ranked.c.rank.desc(), Item.id.desc())
    return Statement(found.limit(bindparam("limit")), ItemRead)
