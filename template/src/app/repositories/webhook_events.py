"""The statement on the inbox of webhooks."""

from datetime import datetime
from typing import Final

from sqlalchemy import bindparam
from sqlalchemy.dialects.postgresql import insert

from app.core.database import Statement, WriteSession
from app.models.domain.webhook_event import WebhookEvent

_INSERT: Final = Statement(
    insert(WebhookEvent)
    .values({name: bindparam(name) for name in ("id", "type", "happened_at")})
    .on_conflict_do_nothing(index_elements=[WebhookEvent.id])
)


async def insert_event(session: WriteSession, event_id: str, event_type: str, happened_at: datetime) -> bool:
    """Record an event, and return whether it is new.

    Where another transaction has just received it, the statement waits for that one's end: after a commit the event is
    old, after a rollback it is new.
    """
    return await session.execute(_INSERT, id=event_id, type=event_type, happened_at=happened_at) > 0
