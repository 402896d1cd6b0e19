"""Statements on users, one each."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from sqlalchemy import bindparam, select, update
from sqlalchemy.dialects.postgresql import insert

from app.core.database import ReadSession, Statement, WriteSession
from app.models.domain.user import User


@dataclass(slots=True)
class UserRow:
    """A user as this application knows them."""

    id: UUID
    email: str
    password_hash: str
    role: str
    scopes: list[str]
    created_at: datetime


_ACTIVE = select(User).where(User.is_active)
_FIND: Final = Statement(_ACTIVE.where(User.id == bindparam("user_id")), UserRow)
_FIND_BY_EMAIL: Final = Statement(_ACTIVE.where(User.email == bindparam("email")), UserRow)
_INSERT: Final = Statement(
    insert(User)
    .values({name: bindparam(name) for name in ("email", "password_hash", "role", "scopes")})
    .on_conflict_do_nothing(index_elements=[User.email]),
    UserRow,
)
_SET_PASSWORD_HASH: Final = Statement(
    update(User).where(User.id == bindparam("user_id")).values(password_hash=bindparam("password_hash"))
)


async def find_user(session: ReadSession, user_id: UUID) -> UserRow | None:
    """Return the active user of this key."""
    return await session.one_or_none(_FIND, user_id=user_id)


async def find_user_by_email(session: ReadSession, email: str) -> UserRow | None:
    """Return the active user of this address, in lower case."""
    return await session.one_or_none(_FIND_BY_EMAIL, email=email)


async def insert_user(
    session: WriteSession, *, email: str, password_hash: str, role: str, scopes: Sequence[str]
) -> UserRow | None:
    """Insert a user; None when the address is taken, which the statement itself finds out."""
    return await session.one_or_none(_INSERT, email=email, password_hash=password_hash, role=role, scopes=list(scopes))


async def set_password_hash(session: WriteSession, user_id: UUID, password_hash: str) -> None:
    """Store another hash."""
    await session.execute(_SET_PASSWORD_HASH, user_id=user_id, password_hash=password_hash)
