"""Statements on users, one each."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from sqlalchemy import bindparam, delete, func, null, select, update
from sqlalchemy.dialects.postgresql import insert

from app.core.database import ReadSession, Statement, WriteSession
from app.models.domain.user import User
from app.models.schemas.user import UserListed


@dataclass(slots=True)
class UserRow:
    """A user as this application knows them."""

    id: UUID
    email: str
    password_hash: str
    role: str
    scopes: list[str]
    is_active: bool
    email_verified_at: datetime | None
    created_at: datetime


_HOLDER = select(User).where(User.email == bindparam("email"))
_FIND: Final = Statement(select(User).where(User.id == bindparam("user_id"), User.is_active), UserRow)
_FIND_HOLDER: Final = Statement(_HOLDER, UserRow)
_FIND_BY_EMAIL: Final = Statement(_HOLDER.where(User.is_active, User.email_verified_at.is_not(None)), UserRow)
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
# A user who is as they were read a moment ago: hashing a password takes a tenth of a second.
_AS_READ: Final = (
    User.id == bindparam("user_id"),
    User.email == bindparam("read_email"),
    User.password_hash == bindparam("read_password_hash"),
    User.email_verified_at.is_not_distinct_from(bindparam("read_verified_at")),
    User.is_active,
)
_CONFIRM: Final = Statement(
    update(User)
    .where(*_AS_READ)
    .values(
        email=bindparam("email"), password_hash=bindparam("password_hash"), email_verified_at=func.clock_timestamp()
    )
)
_CHANGE: Final = Statement(
    update(User)
    .where(User.id == bindparam("user_id"))
    .values(
        {
            each.key: func.coalesce(bindparam(each.key, type_=each.type), each)
            for each in (User.password_hash, User.role, User.scopes, User.is_active)
        }
    ),
    UserListed,
)
_LOCK: Final = Statement(select(User.id).where(*_AS_READ).with_for_update(key_share=True), UUID)


async def find_user(session: ReadSession, user_id: UUID) -> UserRow | None:
    """Return the active user of this key."""
    return await session.one_or_none(_FIND, user_id=user_id)


async def find_user_by_email(session: ReadSession, email: str) -> UserRow | None:
    """Return the user of this address, in lower case, who may log in: active, and the address proven."""
    return await session.one_or_none(_FIND_BY_EMAIL, email=email)


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
    return await session.one_or_none(_INSERT, email=email, password_hash=password_hash, role=role, scopes=list(scopes))


async def register_user(session: WriteSession, *, email: str, password_hash: str) -> None:
    """Insert a user whose address is to be proven; of several registrations before the proof, the last one counts."""
    await session.execute(_REGISTER, email=email, password_hash=password_hash)


async def delete_unconfirmed(session: WriteSession, email: str) -> None:
    """Delete a registration that was never confirmed."""
    await session.execute(_DELETE_UNCONFIRMED, email=email)


async def lock_user(session: WriteSession, read: UserRow) -> bool:
    """Keep a user from being changed until the transaction ends; False if they are no longer as they were read."""
    return await session.one_or_none(_LOCK, **_as_read(read)) is not None


async def confirm_user(
    session: WriteSession, read: UserRow, *, email: str | None = None, password_hash: str | None = None
) -> bool:
    """Count the address as proven, and change values; return False if the user is no longer as they were read."""
    values = {"email": email or read.email, "password_hash": password_hash or read.password_hash}
    return await session.execute(_CONFIRM, **_as_read(read), **values) > 0


async def change_user(
    session: WriteSession,
    user_id: UUID,
    *,
    password_hash: str | None = None,
    role: str | None = None,
    scopes: Sequence[str] | None = None,
    is_active: bool | None = None,
) -> UserListed | None:
    """Change what is given of a user; None where there is no such user."""
    values = {"password_hash": password_hash, "role": role, "scopes": scopes, "is_active": is_active}
    return await session.one_or_none(_CHANGE, user_id=user_id, **values)


def _as_read(user: UserRow) -> dict[str, object]:
    return {
        "user_id": user.id,
        "read_email": user.email,
        "read_password_hash": user.password_hash,
        "read_verified_at": user.email_verified_at,
    }
