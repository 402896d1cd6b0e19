"""Statements on API keys, one each."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from sqlalchemy import bindparam, func, or_, select, update
from sqlalchemy.dialects.postgresql import insert

from app.core.database import ReadSession, Statement, WriteSession
from app.models.domain.api_key import ApiKey
from app.models.domain.user import User
from app.models.schemas.auth import ApiKeyRead


@dataclass(slots=True)
class KeyOwner:
    """An API key's scopes; its owner, their role and the scopes granted beyond it."""

    user_id: UUID
    key_scopes: Sequence[str]
    role: str
    grants: Sequence[str]


_FIND_OWNER: Final = Statement(
    select(User.id.label("user_id"), ApiKey.scopes.label("key_scopes"), User.role, User.scopes.label("grants"))
    .join(User, User.id == ApiKey.user_id)
    .where(
        ApiKey.fingerprint == bindparam("fingerprint"),
        ApiKey.revoked_at.is_(None),
        or_(ApiKey.expires_at.is_(None), ApiKey.expires_at > func.now()),
        User.is_active,
    ),
    KeyOwner,
)
_NEW: Final = ("user_id", "name", "hint", "fingerprint", "scopes", "expires_at")
_INSERT: Final = Statement(insert(ApiKey).values({name: bindparam(name) for name in _NEW}), ApiKeyRead)
_GOOD = (ApiKey.user_id == bindparam("user_id"), ApiKey.revoked_at.is_(None))
_LIST: Final = Statement(select(ApiKey).where(*_GOOD).order_by(ApiKey.id), ApiKeyRead)
_REVOKE: Final = Statement(update(ApiKey).where(ApiKey.id == bindparam("key_id"), *_GOOD).values(revoked_at=func.now()))


async def find_owner(session: ReadSession, fingerprint: bytes) -> KeyOwner | None:
    """Return the owner of a key that is good: not revoked, not expired, its owner active."""
    return await session.one_or_none(_FIND_OWNER, fingerprint=fingerprint)


async def insert_api_key(session: WriteSession, values: Mapping[str, object]) -> ApiKeyRead:
    """Insert a key."""
    return await session.one(_INSERT, **values)


async def list_api_keys(session: ReadSession, user_id: UUID) -> Sequence[ApiKeyRead]:
    """Return a user's keys that were not revoked, oldest first."""
    return await session.all(_LIST, user_id=user_id)


async def revoke_api_key(session: WriteSession, user_id: UUID, key_id: UUID) -> bool:
    """Revoke a key; return False if the user has no such key."""
    return await session.execute(_REVOKE, user_id=user_id, key_id=key_id) > 0
