"""The `items` table."""

from uuid import UUID

from pydantic import JsonValue
from sqlalchemy import ForeignKey, Index, String, Text, UniqueConstraint, text
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
