"""The statement on the inbox of webhooks."""

from datetime import datetime

from sqlalchemy.dialects.postgresql import insert

from app.core.database import WriteSession
from app.models.domain.webhook_event import WebhookEvent


async def insert_event(session: WriteSession, event_id: str, event_type: str, happened_at: datetime) -> bool:
    """Record an event, and return whether it is new.

    Where another transaction has just received it, the statement waits for that one's end: after a commit the event is
    old, after a rollback it is new.
    """
    statement = (
        insert(WebhookEvent)
        .values(id=event_id, type=event_type, happened_at=happened_at)
        .on_conflict_do_nothing(index_elements=[WebhookEvent.id])
        .returning(WebhookEvent.id)
    )
    return (await session.execute(statement)).scalar_one_or_none() is not None
