"""The `users` table."""

from datetime import datetime
from typing import Final

from sqlalchemy import ARRAY, String, Text, func, text, true
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
        email_verified_at: The moment of the last proof that the address is theirs. Users of before there were proofs,
            and those that `app users create` makes, have one; None is a registration that was not confirmed, which
            cannot log in.
    """

    __tablename__ = "users"

    email: Mapped[str] = mapped_column(String(254), unique=True)
    password_hash: Mapped[str] = mapped_column(Text)
    role: Mapped[str] = mapped_column(Text, server_default=text(f"'{DEFAULT_ROLE}'"))
    scopes: Mapped[list[str]] = mapped_column(ARRAY(Text), server_default=text("'{}'"))
    is_active: Mapped[bool] = mapped_column(server_default=true())
    email_verified_at: Mapped[datetime | None] = mapped_column(server_default=func.now())
