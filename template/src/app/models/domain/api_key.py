"""The `api_keys` table."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import ARRAY, ForeignKey, LargeBinary, String, Text, func
from sqlalchemy.orm import Mapped, mapped_column

from app.core.database import Base, UuidKey


class ApiKey(UuidKey, Base):
    """A user's credential for programs.

    Attributes:
        name: Its owner's name for it.
        hint: The last characters, so that its owner can tell which it is.
        fingerprint: SHA-256 of the key, which itself is stored nowhere.
        scopes: The scopes it allows, as far as its owner has them.
    """

    __tablename__ = "api_keys"

    user_id: Mapped[UUID] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), index=True)
    name: Mapped[str] = mapped_column(String(200))
    hint: Mapped[str] = mapped_column(String(4))
    fingerprint: Mapped[bytes] = mapped_column(LargeBinary, unique=True)
    scopes: Mapped[list[str]] = mapped_column(ARRAY(Text))
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    expires_at: Mapped[datetime | None]
    revoked_at: Mapped[datetime | None]
