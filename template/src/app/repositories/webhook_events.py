"""Statements on the inbox of webhooks, one each."""

from collections.abc import Mapping, Sequence
from datetime import datetime

from pydantic import JsonValue
from sqlalchemy import select, update
from sqlalchemy.dialects.postgresql import insert

from app.core.database import WriteSession
from app.models.domain.webhook_event import WebhookEvent


async def insert_event(session: WriteSession, event_id: str, event_type: str, happened_at: datetime) -> bool:
    """Whether the event is new.

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


async def let_event_wait(
    session: WriteSession, event_id: str, payment_intent_id: str, content: Mapping[str, JsonValue]
) -> None:
    """Keep what an event says until an order is known to have its payment."""
    await session.execute(
        update(WebhookEvent)
        .where(WebhookEvent.id == event_id)
        .values(waits_for=payment_intent_id, waiting=dict(content))
    )


async def take_waiting(session: WriteSession, payment_intent_id: str) -> Sequence[Mapping[str, JsonValue]]:
    """What has waited for a payment, the oldest first; it waits no longer."""
    found = await session.execute(
        select(WebhookEvent.waiting)
        .where(WebhookEvent.waits_for == payment_intent_id)
        .order_by(WebhookEvent.happened_at, WebhookEvent.id)
    )
    contents = [content for content in found.scalars() if content is not None]
    await session.execute(
        update(WebhookEvent).where(WebhookEvent.waits_for == payment_intent_id).values(waits_for=None, waiting=None)
    )
    return contents
