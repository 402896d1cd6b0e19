"""Items: each user has their own, and does not learn of others'.

Each change is a row of `item_changes`, in its transaction, and an event after the commit.
"""

from uuid import UUID

from app.core.database import ReadSession
from app.core.exceptions import ConcurrentUpdateError, ResourceExistsError, ResourceNotFoundError
from app.core.uow import UnitOfWork
from app.models.events.item import ItemChanged
from app.models.schemas.item import ItemContent, ItemCreate, ItemQuery, ItemRead, ItemUpdate
from app.models.schemas.types import Page
from app.repositories import items


async def get_item(session: ReadSession, owner_id: UUID, item_id: UUID) -> ItemRead:
    """Return the owner's item of this key; ResourceNotFoundError where there is none."""
    if (item := await items.find_item(session, owner_id, item_id)) is None:
        raise ResourceNotFoundError("Item", item_id)
    return item


async def create_item(uow: UnitOfWork, owner_id: UUID, new: ItemCreate) -> ItemRead:
    """Create an item; ResourceExistsError where its SKU is taken."""
    item = await items.insert_item(uow.session, {"owner_id": owner_id, **new.model_dump()})
    if item is None:
        raise ResourceExistsError("Item", new.sku)
    uow.record(ItemChanged(item_id=item.id, action="created"))
    return item


async def put_item(uow: UnitOfWork, owner_id: UUID, sku: str, content: ItemContent) -> tuple[ItemRead, bool]:
    """Create or replace the item of this SKU; return it, and True if it was created. Safe to repeat."""
    values = content.model_dump()
    item = await items.upsert_item(uow.session, {"owner_id": owner_id, "sku": sku, **values})
    if created := item.version == 1:
        uow.record(ItemChanged(item_id=item.id, action="created"))
    else:
        uow.record(ItemChanged(item_id=item.id, action="changed", changed=tuple(values)))
    return item, created


async def change_item(uow: UnitOfWork, owner_id: UUID, item_id: UUID, change: ItemUpdate) -> ItemRead:
    """Change some of an item's values, and return it.

    Raises:
        ResourceNotFoundError: There is none.
        ConcurrentUpdateError: It has changed since the caller read it.
    """
    changes = change.changes()
    item = await items.update_item(uow.session, owner_id, item_id, version=change.version, changes=changes)
    if item is None:
        # Only now, to tell the two reasons apart: the usual change is one statement.
        await get_item(uow.session, owner_id, item_id)
        raise ConcurrentUpdateError("Item", item_id)
    uow.record(ItemChanged(item_id=item.id, action="changed", changed=tuple(changes)))
    return item


async def delete_item(uow: UnitOfWork, owner_id: UUID, item_id: UUID) -> None:
    """Delete the item; ResourceNotFoundError where there is none."""
    if not await items.delete_item(uow.session, owner_id, item_id):
        raise ResourceNotFoundError("Item", item_id)
    uow.record(ItemChanged(item_id=item_id, action="deleted"))


async def list_items(session: ReadSession, owner_id: UUID, which: ItemQuery) -> Page[ItemRead]:
    """Return a page of items, the newest first, or the best matches of a search, which are one page."""
    # Trigrams are made of letters and digits: a search without any has none, and would find nothing.
    words = which.search is not None and any(map(str.isalnum, which.search))
    fuzzy = words and await items.is_fuzzy(session)
    found = await items.list_items(session, owner_id, which, fuzzy=fuzzy)
    page = found[: which.limit]
    more = len(found) > which.limit and which.search is None
    return Page(items=page, next_cursor=page[-1].id if more else None)
