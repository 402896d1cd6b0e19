"""How far which order has got: a handler of events."""

from app.core import get_logger
from app.core.events import EventBus
from app.models.events.order import OrderStatusChanged

logger = get_logger("app.audit")


async def log_order_event(event: OrderStatusChanged) -> None:
    """A line for each change of a status that was committed."""
    logger.info(
        "audit",
        action=event.type,
        order_id=str(event.order_id),
        before=event.before,
        status=event.status,
        at=event.timestamp.isoformat(),
    )


def subscribe_order_audit(events: EventBus) -> None:
    """Have it called, from `wiring.py`."""
    events.subscribe(OrderStatusChanged, log_order_event)
