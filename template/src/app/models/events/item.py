"""The events of items."""

from typing import ClassVar
from uuid import UUID

from app.core.events import BaseEvent


class ItemEvent(BaseEvent):
    """Something happened to an item. A subscriber to this class gets all of them, in their order.

    Attributes:
        item_id: The item's key.
    """

    type: ClassVar[str] = "item"
    source: str = "items"
    item_id: UUID


class ItemCreated(ItemEvent):
    """There is a new item.

    Attributes:
        sku: The key people know it by.
    """

    type: ClassVar[str] = "item.created"
    sku: str


class ItemChanged(ItemEvent):
    """An item's content is another one.

    Attributes:
        item_version: The version that the change led to.
        changed: The names of the values that were given.
    """

    type: ClassVar[str] = "item.changed"
    item_version: int
    changed: tuple[str, ...]


class ItemDeleted(ItemEvent):
    """An item is gone."""

    type: ClassVar[str] = "item.deleted"
