"""The `webhook_events` table: the inbox that makes each event count once."""

from datetime import datetime

from sqlalchemy import Index, String, func
from sqlalchemy.orm import Mapped, mapped_column

from app.core.database import Base


class WebhookEvent(Base):
    """An event that has been received and has had its effect, in the same transaction.

    Nothing of its content is kept, which belongs to customers.

    Rows are deleted when they are older (RETENTION_WEBHOOK_EVENT_DAYS) than Stripe repeats a delivery, which is three
    days, or 30 by hand.

    Attributes:
        id: Stripe's id of the event, the same in all deliveries of it.
        happened_at: The moment, by Stripe's clock.
    """

    __tablename__ = "webhook_events"

    id: Mapped[str] = mapped_column(String(255), primary_key=True)
    type: Mapped[str] = mapped_column(String(255))
    happened_at: Mapped[datetime]
    received_at: Mapped[datetime] = mapped_column(server_default=func.now())

    __table_args__ = (Index("ix_webhook_events_received_at", "received_at"),)
