"""The `item_changes` table: the audit of items."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import ForeignKey, Index, String, Text, func, text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Mapped, mapped_column

from app.core.database import Base, UuidKey


class ItemChange(UuidKey, Base):
    """A change of an item, written in the transaction of the change: there is one if and only if the other is there.

    Attributes:
        item_id: The item's key. It is no reference: the last change of an item is its deletion.
        owner_id: The item's owner.
        action: created, changed or deleted.
        changed: The names of the values that were given, never the values.
        request_id: The id of the request that asked for it, which is on the log's lines, too.
    """

    __tablename__ = "item_changes"

    item_id: Mapped[UUID]
    owner_id: Mapped[UUID] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), index=True)
    action: Mapped[str] = mapped_column(String(20))
    changed: Mapped[list[str]] = mapped_column(ARRAY(Text), server_default=text("'{}'"))
    request_id: Mapped[str | None] = mapped_column(Text)
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())

    __table_args__ = (Index("ix_item_changes_item_id_id", "item_id", "id"),)
