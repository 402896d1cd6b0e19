"""The `sessions` and `refresh_tokens` tables: a login, and the tokens that keep it alive."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import ForeignKey, Index, LargeBinary, func, text
from sqlalchemy.orm import Mapped, mapped_column

from app.core.database import Base, UuidKey


class Session(UuidKey, Base):
    """A login and the family of refresh tokens that came of it. Ends for good when it is revoked."""

    __tablename__ = "sessions"

    user_id: Mapped[UUID] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), index=True)
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    revoked_at: Mapped[datetime | None]

    __table_args__ = (
        # The few that `RevokedSessions` asks for every few seconds.
        Index("ix_sessions_revoked_at", "revoked_at", postgresql_where=text("revoked_at IS NOT NULL")),
    )


class RefreshToken(UuidKey, Base):
    """One of a family: good until it is used or expires.

    Attributes:
        fingerprint: SHA-256 of the token, which itself is stored nowhere.
        used_at: The moment of its first exchange. Soon after, a browser's second tab may do so as well; later,
            there is a copy.
    """

    __tablename__ = "refresh_tokens"

    session_id: Mapped[UUID] = mapped_column(ForeignKey("sessions.id", ondelete="CASCADE"), index=True)
    fingerprint: Mapped[bytes] = mapped_column(LargeBinary, unique=True)
    expires_at: Mapped[datetime]
    used_at: Mapped[datetime | None]
