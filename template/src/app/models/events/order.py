"""The events of orders."""

from dataclasses import dataclass
from typing import ClassVar
from uuid import UUID

from app.core.events import BaseEvent


@dataclass(frozen=True, kw_only=True)
class OrderStatusChanged(BaseEvent):
    """An order has got further.

    Attributes:
        order_id: Its key.
        owner_id: Whose it is.
        status: What it is now.
        before: What it was.
    """

    type: ClassVar[str] = "order.status_changed"
    source: str = "orders"
    order_id: UUID
    owner_id: UUID
    status: str
    before: str
