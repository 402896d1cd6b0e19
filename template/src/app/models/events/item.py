"""What happens to items."""

from dataclasses import dataclass
from typing import ClassVar
from uuid import UUID

from app.core.events import BaseEvent


@dataclass(frozen=True, kw_only=True)
class ItemEvent(BaseEvent):
    """Something happened to an item. Whoever subscribes to this class gets all of them, in their order.

    Attributes:
        item_id: The item's key.
    """

    type: ClassVar[str] = "item"
    source: str = "items"
    item_id: UUID


@dataclass(frozen=True, kw_only=True)
class ItemCreated(ItemEvent):
    """There is a new item.

    Attributes:
        sku: The key people know it by.
    """

    type: ClassVar[str] = "item.created"
    sku: str


@dataclass(frozen=True, kw_only=True)
class ItemChanged(ItemEvent):
    """An item's content is another one.

    Attributes:
        item_version: Which the change led to.
        changed: The names of the values that were given.
    """

    type: ClassVar[str] = "item.changed"
    item_version: int
    changed: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class ItemDeleted(ItemEvent):
    """An item is gone."""

    type: ClassVar[str] = "item.deleted"
