"""Statements on sessions and their refresh tokens, one each."""

from collections.abc import Sequence
from datetime import timedelta
from typing import NamedTuple
from uuid import UUID

from sqlalchemy import func, select, update
from sqlalchemy.dialects.postgresql import insert

from app.core.database import ReadSession, WriteSession
from app.models.domain.session import RefreshToken, Session
from app.models.domain.user import User


class Exchanged(NamedTuple):
    """Whose refresh token was just used up."""

    session_id: UUID
    user_id: UUID
    scopes: Sequence[str]


async def insert_session(session: WriteSession, user_id: UUID) -> UUID:
    """A new session of a user."""
    statement = insert(Session).values(user_id=user_id).returning(Session.id)
    return (await session.scalars(statement)).one()


async def insert_refresh_token(
    session: WriteSession, session_id: UUID, *, fingerprint: bytes, lifetime: timedelta
) -> None:
    """The next link of a session's chain."""
    values = {"session_id": session_id, "fingerprint": fingerprint, "expires_at": func.now() + lifetime}
    await session.execute(insert(RefreshToken).values(values))


async def use_refresh_token(session: WriteSession, fingerprint: bytes) -> Exchanged | None:
    """Use a token up; None unless it was good: known, unused, not expired, its session and user alive.

    The statement decides and marks at once, so that of two callers with one token exactly one succeeds.
    """
    statement = (
        update(RefreshToken)
        .where(
            RefreshToken.fingerprint == fingerprint,
            RefreshToken.used_at.is_(None),
            RefreshToken.expires_at > func.now(),
            RefreshToken.session_id == Session.id,
            Session.revoked_at.is_(None),
            Session.user_id == User.id,
            User.is_active,
        )
        .values(used_at=func.now())
        .returning(Session.id, User.id, User.scopes)
        .execution_options(synchronize_session=False)
    )
    row = (await session.execute(statement)).one_or_none()
    return Exchanged(row[0], row[1], row[2]) if row else None


async def find_used_session(session: ReadSession, fingerprint: bytes) -> UUID | None:
    """The session of a token that has been used up already."""
    statement = select(RefreshToken.session_id).where(
        RefreshToken.fingerprint == fingerprint, RefreshToken.used_at.is_not(None)
    )
    return (await session.scalars(statement)).one_or_none()


async def revoke_session(session: WriteSession, session_id: UUID) -> None:
    """End a session for good."""
    await session.execute(
        update(Session).where(Session.id == session_id, Session.revoked_at.is_(None)).values(revoked_at=func.now())
    )


async def revoke_other_sessions(session: WriteSession, user_id: UUID, *, keep: UUID | None) -> Sequence[UUID]:
    """End a user's sessions but one, and tell which they were."""
    statement = (
        update(Session)
        .where(Session.user_id == user_id, Session.revoked_at.is_(None), Session.id.is_distinct_from(keep))
        .values(revoked_at=func.now())
        .returning(Session.id)
        .execution_options(synchronize_session=False)
    )
    return (await session.scalars(statement)).all()


async def list_revoked(session: ReadSession, *, within: timedelta) -> Sequence[UUID]:
    """Sessions revoked so recently that their access tokens could still be good."""
    return (await session.scalars(select(Session.id).where(Session.revoked_at > func.now() - within))).all()
