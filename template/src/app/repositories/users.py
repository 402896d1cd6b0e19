"""Statements on users, one each."""

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import select, update
from sqlalchemy.dialects.postgresql import insert

from app.core.database import ReadSession, WriteSession
from app.models.domain.user import User


async def find_user(session: ReadSession, user_id: UUID) -> User | None:
    """Return the active user of this key."""
    return (await session.scalars(select(User).where(User.id == user_id, User.is_active))).one_or_none()


async def find_user_by_email(session: ReadSession, email: str) -> User | None:
    """Return the active user of this address, in lower case."""
    return (await session.scalars(select(User).where(User.email == email, User.is_active))).one_or_none()


async def insert_user(
    session: WriteSession, *, email: str, password_hash: str, role: str, scopes: Sequence[str]
) -> User | None:
    """Insert a user; None when the address is taken, which the statement itself finds out."""
    values = {"email": email, "password_hash": password_hash, "role": role, "scopes": list(scopes)}
    statement = insert(User).values(values).on_conflict_do_nothing(index_elements=[User.email]).returning(User)
    return (await session.scalars(statement)).one_or_none()


async def set_password_hash(session: WriteSession, user_id: UUID, password_hash: str) -> None:
    """Store another hash."""
    await session.execute(update(User).where(User.id == user_id).values(password_hash=password_hash))
