"""Statements on API keys, one each."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple
from uuid import UUID

from sqlalchemy import func, or_, select, update
from sqlalchemy.dialects.postgresql import insert

from app.core.database import ReadSession, WriteSession
from app.models.domain.api_key import ApiKey
from app.models.domain.user import User


class KeyOwner(NamedTuple):
    """An API key's scopes; its owner, their role and the scopes granted beyond it."""

    user_id: UUID
    key_scopes: Sequence[str]
    role: str
    grants: Sequence[str]


async def find_owner(session: ReadSession, fingerprint: bytes) -> KeyOwner | None:
    """Return the owner of a key that is good: not revoked, not expired, its owner active."""
    statement = (
        select(User.id, ApiKey.scopes, User.role, User.scopes)
        .join(User, User.id == ApiKey.user_id)
        .where(
            ApiKey.fingerprint == fingerprint,
            ApiKey.revoked_at.is_(None),
            or_(ApiKey.expires_at.is_(None), ApiKey.expires_at > func.now()),
            User.is_active,
        )
    )
    row = (await session.execute(statement)).one_or_none()
    return KeyOwner(*row) if row else None


async def insert_api_key(session: WriteSession, values: Mapping[str, object]) -> ApiKey:
    """Insert a key."""
    return (await session.scalars(insert(ApiKey).values(dict(values)).returning(ApiKey))).one()


async def list_api_keys(session: ReadSession, user_id: UUID) -> Sequence[ApiKey]:
    """Return a user's keys that were not revoked, oldest first."""
    statement = select(ApiKey).where(ApiKey.user_id == user_id, ApiKey.revoked_at.is_(None)).order_by(ApiKey.id)
    return (await session.scalars(statement)).all()


async def revoke_api_key(session: WriteSession, user_id: UUID, key_id: UUID) -> bool:
    """Revoke a key; return False if the user has no such key."""
    statement = (
        update(ApiKey)
        .where(ApiKey.id == key_id, ApiKey.user_id == user_id, ApiKey.revoked_at.is_(None))
        .values(revoked_at=func.now())
        .returning(ApiKey.id)
        .execution_options(synchronize_session=False)
    )
    return (await session.scalars(statement)).one_or_none() is not None
