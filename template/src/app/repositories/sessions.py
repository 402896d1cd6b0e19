"""Statements on sessions and their refresh tokens, one each."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Final
from uuid import UUID

from sqlalchemy import Interval, bindparam, exists, func, or_, select, update
from sqlalchemy.dialects.postgresql import insert

from app.core.database import ReadSession, Statement, WriteSession
from app.models.domain.session import RefreshToken, Session
from app.models.domain.user import User


@dataclass(slots=True)
class SessionCaller:
    """The role of a session's user, and the scopes granted beyond it."""

    role: str
    grants: Sequence[str]


@dataclass(slots=True)
class Exchanged(SessionCaller):
    """The session and the user of a refresh token that was just used."""

    session_id: UUID
    user_id: UUID


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
    .returning(RefreshToken.session_id, Session.user_id, User.role, User.scopes.label("grants"))
    .cte("used")
)
_USE_TOKEN: Final = Statement(select(_USED), Exchanged)
_FIND_REUSED: Final = Statement(
    select(RefreshToken.session_id).where(
        RefreshToken.fingerprint == bindparam("fingerprint"),
        RefreshToken.used_at <= func.clock_timestamp() - _GRACE,
    ),
    UUID,
)
_FIND_CALLER: Final = Statement(
    select(User.role, User.scopes.label("grants")).where(
        User.id == bindparam("user_id"),
        User.is_active,
        ~exists().where(Session.id == bindparam("session_id"), Session.revoked_at.is_not(None)),
    ),
    SessionCaller,
)
_ALIVE = update(Session).where(Session.revoked_at.is_(None)).values(revoked_at=func.now())
_REVOKE: Final = Statement(_ALIVE.where(Session.id == bindparam("session_id")))
_REVOKE_OTHERS: Final = Statement(
    _ALIVE.where(Session.user_id == bindparam("user_id"), Session.id.is_distinct_from(bindparam("keep"))).returning(
        Session.id
    ),
    UUID,
)
_LIST_REVOKED: Final = Statement(
    select(Session.id).where(Session.revoked_at > func.now() - bindparam("within", type_=Interval)), UUID
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


async def find_reused_session(session: ReadSession, fingerprint: bytes, *, grace: timedelta) -> UUID | None:
    """Return the session of a token that was first used longer ago than `grace`."""
    return await session.one_or_none(_FIND_REUSED, fingerprint=fingerprint, grace=grace)


async def find_caller(session: ReadSession, *, user_id: UUID, session_id: UUID | None) -> SessionCaller | None:
    """Return what a session's user may have; None where the session has ended or the user is disabled."""
    return await session.one_or_none(_FIND_CALLER, user_id=user_id, session_id=session_id)


async def revoke_session(session: WriteSession, session_id: UUID) -> None:
    """End a session for good."""
    await session.execute(_REVOKE, session_id=session_id)


async def revoke_other_sessions(session: WriteSession, user_id: UUID, *, keep: UUID | None) -> Sequence[UUID]:
    """End a user's sessions but one, and return their keys."""
    return await session.all(_REVOKE_OTHERS, user_id=user_id, keep=keep)


async def list_revoked(session: ReadSession, *, within: timedelta) -> Sequence[UUID]:
    """Return the sessions revoked so recently that their access tokens could still be good."""
    return await session.all(_LIST_REVOKED, within=within)
