"""The `webhook_events` table: the inbox that makes each event count once."""

from datetime import datetime

from pydantic import JsonValue
from sqlalchemy import Index, String, func, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from app.core.database import Base


class WebhookEvent(Base):
    """An event that has been received and has had its effect, in the same transaction.

    Rows may be deleted when they are a month old: Stripe repeats a delivery for three days, and resends by hand for 30.

    Attributes:
        id: Stripe's id of the event, the same in all deliveries of it.
        happened_at: When, by Stripe's clock.
        waits_for: The payment it is about, as long as no order is known to have it.
        waiting: What it says, until then; else nothing of an event's content is kept, which belongs to customers.
    """

    __tablename__ = "webhook_events"

    id: Mapped[str] = mapped_column(String(255), primary_key=True)
    type: Mapped[str] = mapped_column(String(255))
    happened_at: Mapped[datetime]
    received_at: Mapped[datetime] = mapped_column(server_default=func.now())
    waits_for: Mapped[str | None] = mapped_column(String(255))
    waiting: Mapped[dict[str, JsonValue] | None] = mapped_column(JSONB)

    __table_args__ = (
        Index("ix_webhook_events_received_at", "received_at"),
        Index("ix_webhook_events_waits_for", "waits_for", postgresql_where=text("waits_for IS NOT NULL")),
    )
