"""Statements on sessions and their refresh tokens, one each."""

from collections.abc import Sequence
from datetime import timedelta
from typing import NamedTuple
from uuid import UUID

from sqlalchemy import func, or_, select, update
from sqlalchemy.dialects.postgresql import insert

from app.core.database import ReadSession, WriteSession
from app.models.domain.session import RefreshToken, Session
from app.models.domain.user import User


class Exchanged(NamedTuple):
    """The session and the user of a refresh token that was just used."""

    session_id: UUID
    user_id: UUID
    role: str
    grants: Sequence[str]


async def insert_session(session: WriteSession, user_id: UUID) -> UUID:
    """Insert a session of a user and return its key."""
    statement = insert(Session).values(user_id=user_id).returning(Session.id)
    return (await session.scalars(statement)).one()


async def insert_refresh_token(
    session: WriteSession, session_id: UUID, *, fingerprint: bytes, lifetime: timedelta
) -> None:
    """Insert a token of a session's family."""
    values = {"session_id": session_id, "fingerprint": fingerprint, "expires_at": func.now() + lifetime}
    await session.execute(insert(RefreshToken).values(values))


async def use_refresh_token(session: WriteSession, fingerprint: bytes, *, grace: timedelta) -> Exchanged | None:
    """Use a token; None unless it was good: known, not expired, its session and user alive, and not used before.

    The statement decides and marks at once. Callers who come at most `grace` after the first use succeed, too; later
    uses do not move that moment. The clock is the wall's, which runs on while a statement waits for another's.
    """
    statement = (
        update(RefreshToken)
        .where(
            RefreshToken.fingerprint == fingerprint,
            or_(RefreshToken.used_at.is_(None), RefreshToken.used_at > func.clock_timestamp() - grace),
            RefreshToken.expires_at > func.now(),
            RefreshToken.session_id == Session.id,
            Session.revoked_at.is_(None),
            Session.user_id == User.id,
            User.is_active,
        )
        .values(used_at=func.coalesce(RefreshToken.used_at, func.clock_timestamp()))
        .returning(Session.id, User.id, User.role, User.scopes)
        .execution_options(synchronize_session=False)
    )
    row = (await session.execute(statement)).one_or_none()
    return Exchanged(*row) if row else None


async def find_reused_session(session: ReadSession, fingerprint: bytes, *, grace: timedelta) -> UUID | None:
    """Return the session of a token that was first used longer ago than `grace`."""
    statement = select(RefreshToken.session_id).where(
        RefreshToken.fingerprint == fingerprint, RefreshToken.used_at <= func.clock_timestamp() - grace
    )
    return (await session.scalars(statement)).one_or_none()


async def revoke_session(session: WriteSession, session_id: UUID) -> None:
    """End a session for good."""
    await session.execute(
        update(Session).where(Session.id == session_id, Session.revoked_at.is_(None)).values(revoked_at=func.now())
    )


async def revoke_other_sessions(session: WriteSession, user_id: UUID, *, keep: UUID | None) -> Sequence[UUID]:
    """End a user's sessions but one, and return their keys."""
    statement = (
        update(Session)
        .where(Session.user_id == user_id, Session.revoked_at.is_(None), Session.id.is_distinct_from(keep))
        .values(revoked_at=func.now())
        .returning(Session.id)
        .execution_options(synchronize_session=False)
    )
    return (await session.scalars(statement)).all()


async def list_revoked(session: ReadSession, *, within: timedelta) -> Sequence[UUID]:
    """Return the sessions revoked so recently that their access tokens could still be good."""
    return (await session.scalars(select(Session.id).where(Session.revoked_at > func.now() - within))).all()
