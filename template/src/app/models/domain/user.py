"""The `users` table."""

from sqlalchemy import ARRAY, String, Text, text, true
from sqlalchemy.orm import Mapped, mapped_column

from app.core.database import Base, Timestamps, UuidKey


class User(UuidKey, Timestamps, Base):
    """Somebody who can log in.

    Attributes:
        email: In lower case: two spellings of an address are one user.
        password_hash: Argon2id, with its parameters and salt.
        scopes: What this user's credentials may allow at most.
        is_active: Whether credentials count at all.
    """

    __tablename__ = "users"

    email: Mapped[str] = mapped_column(String(254), unique=True)
    password_hash: Mapped[str] = mapped_column(Text)
    scopes: Mapped[list[str]] = mapped_column(ARRAY(Text), server_default=text("'{}'"))
    is_active: Mapped[bool] = mapped_column(server_default=true())
