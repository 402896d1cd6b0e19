"""Users, as an administrator looks after them: by routes, or by `app users`."""

from uuid import UUID

from app.core.database import ReadSession
from app.core.exceptions import ResourceNotFoundError, ValidationError
from app.core.uow import UnitOfWork
from app.models.schemas.page import Cursor, Page
from app.models.schemas.user import UserChange, UserListed
from app.repositories import sessions, users
from app.services.authentication import get_authentication

_BEFORE_ALL_ENDS = UUID(int=2**128 - 1)


async def list_users(session: ReadSession, *, limit: int, cursor: str | None) -> Page[UserListed]:
    """Return a page of users, the newest first; ValidationError for a cursor that is not ours."""
    before = Cursor.decode(cursor).id if cursor else _BEFORE_ALL_ENDS
    found = await users.list_users(session, before=before, limit=limit + 1)
    page = found[:limit]
    next_cursor = Cursor(id=page[-1].id).encode() if len(found) > limit else None
    return Page(items=[*page], next_cursor=next_cursor)


async def change_user(uow: UnitOfWork, user_id: UUID, change: UserChange) -> UserListed:
    """Enable or disable a user, or give them another role; both end their sessions, except enabling.

    Raises:
        ValidationError: There is no such role.
        ResourceNotFoundError: There is no such user.
    """
    roles = get_authentication().roles
    if change.role is not None and change.role not in roles:
        raise ValidationError("role", f"must be one of {', '.join(sorted(roles))}")
    changed = await users.change_user(uow.session, user_id, role=change.role, is_active=change.is_active)
    if changed is None:
        raise ResourceNotFoundError("User", user_id)
    if change.role is not None or change.is_active is False:
        await _end_sessions(uow, user_id)
    return changed


async def change_grants(uow: UnitOfWork, user: users.UserRow, *, add: set[str], remove: set[str]) -> None:
    """Grant scopes beyond the role, or take them away, which ends the user's sessions."""
    await users.change_user(uow.session, user.id, scopes=sorted({*user.scopes, *add} - remove))
    if remove:
        await _end_sessions(uow, user.id)


async def set_password(uow: UnitOfWork, user_id: UUID, password_hash: str) -> None:
    """Set a user's password, and end their sessions."""
    await users.set_password_hash(uow.session, user_id, password_hash)
    await _end_sessions(uow, user_id)


async def get_holder(session: ReadSession, email: str) -> users.UserRow:
    """Return the user of an address, disabled or not; ResourceNotFoundError where there is none."""
    if (user := await users.find_holder(session, email.lower())) is None:
        raise ResourceNotFoundError("User", email)
    return user


async def _end_sessions(uow: UnitOfWork, user_id: UUID) -> None:
    """End a user's sessions: at once in this process, and within AUTH_REVOCATION_SECONDS in all others.

    It comes after the change of the user, which a login under way waits for or is waited for by (`users.lock_user`).
    """
    ended = await sessions.revoke_other_sessions(uow.session, user_id, keep=None)
    uow.after_commit(lambda: get_authentication().revoked.add(*ended))
