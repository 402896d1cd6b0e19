"""The audit of items: each change is a row of `item_changes`, in its transaction, and an event after the commit."""

from typing import Final
from uuid import UUID

from app.core.uow import UnitOfWork
from app.models.events.item import ItemChanged, ItemEvent
from app.repositories import item_changes

_PREFIX: Final = "item."


async def tell(uow: UnitOfWork, owner_id: UUID, event: ItemEvent) -> None:
    """Write a change into the audit, and record its event."""
    await item_changes.insert_change(
        uow.session,
        {
            "item_id": event.item_id,
            "owner_id": owner_id,
            "action": event.type.removeprefix(_PREFIX),
            "changed": list(event.changed) if isinstance(event, ItemChanged) else [],
            "request_id": event.correlation_id,
        },
    )
    uow.record(event)
