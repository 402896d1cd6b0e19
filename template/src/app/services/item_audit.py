"""Who did what to which item: a handler of events, subscribed in `wiring.py`."""

from app.core import get_logger
from app.models.events.item import ItemChanged, ItemEvent

logger = get_logger("app.audit")


async def log_item_event(event: ItemEvent) -> None:
    """A line for each change that was committed, in the order of the commits; names of values, never the values."""
    changed = event.changed if isinstance(event, ItemChanged) else None
    logger.info("audit", action=event.type, item_id=str(event.item_id), changed=changed, at=event.timestamp.isoformat())
