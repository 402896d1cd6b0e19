"""Statements on sessions, their refresh tokens and API keys, one each."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Final
from uuid import UUID

from sqlalchemy import Interval, bindparam, func, or_, select, update
from sqlalchemy.dialects.postgresql import insert

from app.core.database import ReadSession, Statement, WriteSession
from app.models.domain.user import ApiKey, RefreshToken, Session, User
from app.models.schemas.auth import ApiKeyRead
from app.repositories.users import UserRow


@dataclass(slots=True)
class Exchanged(UserRow):
    """The user and the session of a refresh token that was just used."""

    session_id: UUID


@dataclass(slots=True)
class KeyOwner(UserRow):
    """The user of an API key, and the key's scopes."""

    key_scopes: Sequence[str]


_GRACE = bindparam("grace", type_=Interval)
_INSERT: Final = Statement(insert(Session).values(user_id=bindparam("user_id")).returning(Session.id), UUID)
_INSERT_TOKEN: Final = Statement(
    insert(RefreshToken).values(
        session_id=bindparam("session_id"),
        fingerprint=bindparam("fingerprint"),
        expires_at=func.now() + bindparam("lifetime", type_=Interval),
    )
)
_USED = (
    update(RefreshToken)
    .where(
        RefreshToken.fingerprint == bindparam("fingerprint"),
        or_(RefreshToken.used_at.is_(None), RefreshToken.used_at > func.clock_timestamp() - _GRACE),
        RefreshToken.expires_at > func.now(),
        RefreshToken.session_id == Session.id,
        Session.revoked_at.is_(None),
        Session.user_id == User.id,
        User.is_active,
    )
    .values(used_at=func.coalesce(RefreshToken.used_at, func.clock_timestamp()))
    .returning(RefreshToken.session_id, *User.__table__.columns)
    .cte("used")
)
_USE_TOKEN: Final = Statement(select(_USED), Exchanged)
_ALIVE = update(Session).where(Session.revoked_at.is_(None)).values(revoked_at=func.now())
_REVOKE: Final = Statement(_ALIVE.where(Session.id == bindparam("session_id")))
_REVOKE_REUSED: Final = Statement(
    _ALIVE.where(
        Session.id == RefreshToken.session_id,
        RefreshToken.fingerprint == bindparam("fingerprint"),
        RefreshToken.used_at <= func.clock_timestamp() - _GRACE,
    ).returning(Session.id),
    UUID,
)
_OTHERS = (Session.user_id == bindparam("user_id"), Session.id.is_distinct_from(bindparam("keep")))
_REVOKE_OTHERS: Final = Statement(_ALIVE.where(*_OTHERS).returning(Session.id), UUID)
_LIST_REVOKED: Final = Statement(
    select(Session.id).where(Session.revoked_at > func.now() - bindparam("within", type_=Interval)), UUID
)
_FIND_OWNER: Final = Statement(
    select(User, ApiKey.scopes.label("key_scopes"))
    .join(ApiKey, ApiKey.user_id == User.id)
    .where(
        ApiKey.fingerprint == bindparam("fingerprint"),
        ApiKey.revoked_at.is_(None),
        or_(ApiKey.expires_at.is_(None), ApiKey.expires_at > func.now()),
        User.is_active,
    ),
    KeyOwner,
)
_KEY = ("user_id", "name", "hint", "fingerprint", "scopes", "expires_at")
_INSERT_KEY: Final = Statement(insert(ApiKey).values({name: bindparam(name) for name in _KEY}), ApiKeyRead)
_GOOD = (ApiKey.user_id == bindparam("user_id"), ApiKey.revoked_at.is_(None))
_LIST_KEYS: Final = Statement(select(ApiKey).where(*_GOOD).order_by(ApiKey.id), ApiKeyRead)
_REVOKE_KEY: Final = Statement(
    update(ApiKey).where(ApiKey.id == bindparam("key_id"), *_GOOD).values(revoked_at=func.now())
)


async def insert_session(session: WriteSession, user_id: UUID) -> UUID:
    """Insert a session of a user and return its key."""
    return await session.one(_INSERT, user_id=user_id)


async def insert_refresh_token(
    session: WriteSession, session_id: UUID, *, fingerprint: bytes, lifetime: timedelta
) -> None:
    """Insert a token of a session's family."""
    await session.execute(_INSERT_TOKEN, session_id=session_id, fingerprint=fingerprint, lifetime=lifetime)


async def use_refresh_token(session: WriteSession, fingerprint: bytes, *, grace: timedelta) -> Exchanged | None:
    """Use a token; None unless it was good: known, not expired, its session and user alive, and not used before.

    The statement decides and marks at once. Callers who come at most `grace` after the first use succeed, too; later
    uses do not move that moment. The clock is the wall's, which runs on while a statement waits for another's.
    """
    return await session.one_or_none(_USE_TOKEN, fingerprint=fingerprint, grace=grace)


async def revoke_session(session: WriteSession, session_id: UUID) -> None:
    """End a session for good."""
    await session.execute(_REVOKE, session_id=session_id)


async def revoke_reused(session: WriteSession, fingerprint: bytes, *, grace: timedelta) -> UUID | None:
    """End the session of a token that was first used longer ago than `grace`, and return its key."""
    return await session.one_or_none(_REVOKE_REUSED, fingerprint=fingerprint, grace=grace)


async def revoke_other_sessions(session: WriteSession, user_id: UUID, *, keep: UUID | None) -> Sequence[UUID]:
    """End a user's sessions but one, and return their keys."""
    return await session.all(_REVOKE_OTHERS, user_id=user_id, keep=keep)


async def list_revoked(session: ReadSession, *, within: timedelta) -> Sequence[UUID]:
    """Return the sessions revoked so recently that their access tokens could still be good."""
    return await session.all(_LIST_REVOKED, within=within)


async def find_owner(session: ReadSession, fingerprint: bytes) -> KeyOwner | None:
    """Return the owner of a key that is good: not revoked, not expired, its owner active."""
    return await session.one_or_none(_FIND_OWNER, fingerprint=fingerprint)


async def insert_api_key(session: WriteSession, values: Mapping[str, object]) -> ApiKeyRead:
    """Insert a key."""
    return await session.one(_INSERT_KEY, **values)


async def list_api_keys(session: ReadSession, user_id: UUID) -> Sequence[ApiKeyRead]:
    """Return a user's keys that were not revoked, oldest first."""
    return await session.all(_LIST_KEYS, user_id=user_id)


async def revoke_api_key(session: WriteSession, user_id: UUID, key_id: UUID) -> bool:
    """Revoke a key; return False if the user has no such key."""
    return await session.execute(_REVOKE_KEY, user_id=user_id, key_id=key_id) > 0
