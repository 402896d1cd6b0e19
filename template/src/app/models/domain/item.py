"""The `items` table, and `item_changes`, its audit."""

from datetime import datetime
from uuid import UUID

from pydantic import JsonValue
from sqlalchemy import ForeignKey, Index, String, Text, UniqueConstraint, func, text
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.orm import Mapped, mapped_column

from app.core.database import Base, Timestamps, UuidKey


class Item(UuidKey, Timestamps, Base):
    """A thing that can be tagged, described freely, found by name, and changed by several people.

    Attributes:
        owner_id: The user it belongs to; no other user learns that it exists.
        sku: The key its owner knows it by (stock keeping unit).
        version: Grows with every change; a change must name the version it was made from.
    """

    __tablename__ = "items"

    owner_id: Mapped[UUID] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"))
    sku: Mapped[str] = mapped_column(String(64))
    name: Mapped[str] = mapped_column(String(200))
    description: Mapped[str | None] = mapped_column(Text)
    tags: Mapped[list[str]] = mapped_column(ARRAY(Text), server_default=text("'{}'"))
    # `metadata` is taken: SQLAlchemy keeps the tables under that name.
    attributes: Mapped[dict[str, JsonValue]] = mapped_column("metadata", JSONB, server_default=text("'{}'"))
    version: Mapped[int] = mapped_column(server_default=text("1"))

    __table_args__ = (
        UniqueConstraint("owner_id", "sku"),
        # The order of a listing: an owner's newest first.
        Index("ix_items_owner_id_id", "owner_id", "id"),
        Index("ix_items_tags", "tags", postgresql_using="gin"),
        # jsonb_path_ops answers @> only, which is what the filter asks, from an index half the size.
        Index("ix_items_metadata", "metadata", postgresql_using="gin", postgresql_ops={"metadata": "jsonb_path_ops"}),
        # Exists where the server has the extension: migrations look there (`requires_extension`).
        Index(
            "ix_items_name_trgm",
            "name",
            postgresql_using="gin",
            postgresql_ops={"name": "gin_trgm_ops"},
            info={"requires_extension": "pg_trgm"},
        ),
    )


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
