"""The events of orders."""

from typing import ClassVar
from uuid import UUID

from app.core.events import BaseEvent


class OrderStatusChanged(BaseEvent):
    """An order has gone from the status `before` to `status`."""

    type: ClassVar[str] = "order.status_changed"
    source: str = "orders"
    order_id: UUID
    owner_id: UUID
    status: str
    before: str


class OrderPaid(BaseEvent):
    """The money for an order has come: once for each order."""

    type: ClassVar[str] = "order.paid"
    durable: ClassVar[bool] = True
    source: str = "orders"
    order_id: UUID
    owner_id: UUID
