"""Users and their credentials: the `users`, `sessions`, `refresh_tokens` and `api_keys` tables."""

from datetime import datetime
from typing import Final
from uuid import UUID

from sqlalchemy import ARRAY, ForeignKey, Index, LargeBinary, String, Text, func, text, true
from sqlalchemy.orm import Mapped, mapped_column

from app.core.database import Base, Timestamps, UuidKey

# The role of a user who was given no other.
DEFAULT_ROLE: Final = "user"


class User(UuidKey, Timestamps, Base):
    """An account that can log in.

    Attributes:
        email: In lower case: two spellings of an address are one user.
        password_hash: Argon2id, with its parameters and salt.
        role: A name in ROLES of `app.wiring`, whose scopes this user has as long as they stand there.
        scopes: Grants beyond the role.
        is_active: False where no credential of theirs counts.
        email_verified_at: The moment of the last proof that the address is theirs, or of `app users create`. None is a
            registration that was not confirmed, which cannot log in.
    """

    __tablename__ = "users"

    email: Mapped[str] = mapped_column(String(254), unique=True)
    password_hash: Mapped[str] = mapped_column(Text)
    role: Mapped[str] = mapped_column(Text, server_default=text(f"'{DEFAULT_ROLE}'"))
    scopes: Mapped[list[str]] = mapped_column(ARRAY(Text), server_default=text("'{}'"))
    is_active: Mapped[bool] = mapped_column(server_default=true())
    email_verified_at: Mapped[datetime | None] = mapped_column(server_default=func.now())


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
    """One of a session's family: good until it expires, or was used some time ago.

    Attributes:
        fingerprint: SHA-256 of the token, which itself is stored nowhere.
        used_at: The moment of its first exchange. Soon after, a second tab may do so as well; later, there is a copy.
    """

    __tablename__ = "refresh_tokens"

    session_id: Mapped[UUID] = mapped_column(ForeignKey("sessions.id", ondelete="CASCADE"), index=True)
    fingerprint: Mapped[bytes] = mapped_column(LargeBinary, unique=True)
    expires_at: Mapped[datetime]
    used_at: Mapped[datetime | None]


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
