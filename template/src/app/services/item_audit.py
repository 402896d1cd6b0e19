"""Changes of items in the log: a handler of events, subscribed in `wiring.py`.

It tells operators what happens, and proves nothing: events live in the memory of one process, so that lines are missing
after a kill, and where a handler's queue was full. The rows are what is kept.
"""

from app.core import get_logger
from app.models.events.item import ItemChanged, ItemEvent

logger = get_logger("app.audit")


async def log_item_event(event: ItemEvent) -> None:
    """Log a change after its commit: the names of the values that were given, never the values."""
    changed = event.changed if isinstance(event, ItemChanged) else None
    logger.info("audit", action=event.type, item_id=str(event.item_id), changed=changed, at=event.timestamp.isoformat())
