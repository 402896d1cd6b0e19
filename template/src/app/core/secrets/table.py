"""The `secrets` table. It belongs to the core, which alone reads and writes it."""

from sqlalchemy import CheckConstraint, LargeBinary, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from app.core.database import Base, Timestamps
from app.core.secrets.paths import MAX_PATH_LENGTH


class Secret(Timestamps, Base):
    """An encrypted value.

    Attributes:
        path: Where it belongs, and what it is bound to. Sorted by bytes, so that pages and prefixes are the same on
            every server.
        envelope: See `envelope.py`.
        key_id: A copy of the one in the envelope, to be searched and counted; a constraint keeps the two the same.
        updated_at: When the value was last set; a rotation leaves it alone.
    """

    __tablename__ = "secrets"

    path: Mapped[str] = mapped_column(String(MAX_PATH_LENGTH, collation="C"), primary_key=True)
    envelope: Mapped[bytes] = mapped_column(LargeBinary)
    key_id: Mapped[str] = mapped_column(Text)

    __table_args__ = (
        CheckConstraint("key_id = encode(substr(envelope, 3, get_byte(envelope, 1)), 'escape')", name="key_id"),
    )
