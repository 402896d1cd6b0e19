"""Statements on users, one each."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from sqlalchemy import bindparam, delete, exists, func, null, select, update
from sqlalchemy.dialects.postgresql import insert

from app.core.database import ReadSession, Statement, WriteSession
from app.models.domain.user import Session, User
from app.models.schemas.user import UserListed


@dataclass(slots=True)
class UserRow(UserListed):
    """A user as this application knows them."""

    password_hash: str


_IS_ENDED = exists().where(Session.id == bindparam("session_id"), Session.revoked_at.is_not(None))
_FIND: Final = Statement(select(User).where(User.id == bindparam("user_id"), User.is_active, ~_IS_ENDED), UserRow)
_FIND_HOLDER: Final = Statement(select(User).where(User.email == bindparam("email")), UserRow)
_LIST: Final = Statement(
    select(User).where(User.id < bindparam("before")).order_by(User.id.desc()).limit(bindparam("limit")), UserListed
)
_INSERT: Final = Statement(
    insert(User)
    .values({name: bindparam(name) for name in ("email", "password_hash", "role", "scopes")})
    .on_conflict_do_nothing(index_elements=[User.email]),
    UserRow,
)
_NEW = insert(User).values(email=bindparam("email"), password_hash=bindparam("password_hash"), email_verified_at=null())
_REGISTER: Final = Statement(
    _NEW.on_conflict_do_update(
        index_elements=[User.email],
        set_={"password_hash": _NEW.excluded.password_hash, "updated_at": func.now()},
        where=User.email_verified_at.is_(None) & User.is_active,
    )
)
_DELETE_UNCONFIRMED: Final = Statement(
    delete(User).where(User.email == bindparam("email"), User.email_verified_at.is_(None), User.is_active)
)
_CHANGED = (User.email, User.password_hash, User.role, User.scopes, User.is_active, User.email_verified_at)
_CHANGE: Final = Statement(
    update(User)
    .where(User.id == bindparam("user_id"))
    .values({each.key: func.coalesce(bindparam(each.key, type_=each.type), each) for each in _CHANGED}),
    UserListed,
)
_LOCK: Final = Statement(
    select(User.id)
    .where(
        User.id == bindparam("user_id"),
        User.password_hash == bindparam("password_hash"),
        User.email_verified_at.is_not_distinct_from(bindparam("email_verified_at")),
        User.is_active,
    )
    .with_for_update(key_share=True),
    UUID,
)


async def find_user(session: ReadSession, user_id: UUID, *, session_id: UUID | None = None) -> UserRow | None:
    """Return the active user of this key; None where it is asked in a session of theirs that has ended."""
    return await session.one_or_none(_FIND, user_id=user_id, session_id=session_id)


async def find_holder(session: ReadSession, email: str) -> UserRow | None:
    """Return the user who has this address, in lower case, disabled or not and proven or not."""
    return await session.one_or_none(_FIND_HOLDER, email=email)


async def list_users(session: ReadSession, *, before: UUID, limit: int) -> Sequence[UserListed]:
    """Return the users made before the one of this key, the newest first."""
    return await session.all(_LIST, before=before, limit=limit)


async def insert_user(
    session: WriteSession, *, email: str, password_hash: str, role: str, scopes: Sequence[str]
) -> UserRow | None:
    """Insert a user; None when the address is taken, which the statement itself finds out."""
    return await session.one_or_none(_INSERT, email=email, password_hash=password_hash, role=role, scopes=scopes)


async def register_user(session: WriteSession, *, email: str, password_hash: str) -> None:
    """Insert a user whose address is to be proven; of several registrations before the proof, the last one counts."""
    await session.execute(_REGISTER, email=email, password_hash=password_hash)


async def delete_unconfirmed(session: WriteSession, email: str) -> None:
    """Delete a registration that was never confirmed."""
    await session.execute(_DELETE_UNCONFIRMED, email=email)


async def lock_user(session: WriteSession, read: UserRow) -> bool:
    """Keep a user from being changed until the transaction ends; False if they are no longer as they were read.

    Hashing a password in between takes a tenth of a second.
    """
    values = {"password_hash": read.password_hash, "email_verified_at": read.email_verified_at}
    return await session.one_or_none(_LOCK, user_id=read.id, **values) is not None


async def change_user(
    session: WriteSession,
    user_id: UUID,
    *,
    email: str | None = None,
    password_hash: str | None = None,
    role: str | None = None,
    scopes: Sequence[str] | None = None,
    is_active: bool | None = None,
    email_verified_at: datetime | None = None,
) -> UserListed | None:
    """Change what is given of a user; None where there is no such user."""
    values = {"email": email, "password_hash": password_hash, "role": role, "scopes": scopes, "is_active": is_active}
    return await session.one_or_none(_CHANGE, user_id=user_id, email_verified_at=email_verified_at, **values)
