"""The events of items."""

from typing import ClassVar, Literal
from uuid import UUID

from app.core.events import BaseEvent


class ItemChanged(BaseEvent):
    """An item was created, changed or deleted; `changed` has the names of the values that were given."""

    type: ClassVar[str] = "item.changed"
    source: str = "items"
    item_id: UUID
    action: Literal["created", "changed", "deleted"]
    changed: tuple[str, ...] = ()
