"""Users, as they see themselves and as an administrator looks after them, and their API keys."""

from collections.abc import Iterable, Sequence
from dataclasses import asdict
from uuid import UUID

from app.core.database import ReadSession
from app.core.exceptions import AuthenticationError, ResourceExistsError, ResourceNotFoundError, ValidationError
from app.core.security import Principal, fingerprint, new_credential
from app.core.uow import UnitOfWork, unit_of_work
from app.models.domain.user import DEFAULT_ROLE
from app.models.schemas.auth import ApiKeyCreate, ApiKeyCreated, ApiKeyRead
from app.models.schemas.types import Page
from app.models.schemas.user import UserChange, UserCreate, UserListed, UserRead
from app.repositories import credentials, users
from app.services.authentication import get_authentication


async def create_user(new: UserCreate, *, role: str = DEFAULT_ROLE, grants: Iterable[str] = ()) -> users.UserRow:
    """Create a user with a role and grants beyond it; ResourceExistsError where the address is taken."""
    # Before a connection is taken: hashing takes a tenth of a second.
    password_hash = await get_authentication().passwords.hash(new.password.get_secret_value())
    async with unit_of_work() as uow:
        user = await users.insert_user(
            uow.session, email=new.email, password_hash=password_hash, role=role, scopes=sorted(set(grants))
        )
        if user is None:
            raise ResourceExistsError("User", new.email)
        return user


async def get_user(session: ReadSession, user_id: UUID) -> UserRead:
    """Return the active user of this key; ResourceNotFoundError where there is none."""
    if (user := await users.find_user(session, user_id)) is None:
        raise ResourceNotFoundError("User", user_id)
    scopes = sorted(get_authentication().scopes_of(user))
    return UserRead(id=user.id, email=user.email, role=user.role, scopes=scopes, created_at=user.created_at)


async def get_holder(session: ReadSession, email: str) -> users.UserRow:
    """Return the user of an address, disabled or not; ResourceNotFoundError where there is none."""
    if (user := await users.find_holder(session, email.lower())) is None:
        raise ResourceNotFoundError("User", email)
    return user


async def list_users(session: ReadSession, *, limit: int, before: UUID) -> Page[UserListed]:
    """Return a page of the users made before the one of this key, the newest first."""
    found = await users.list_users(session, before=before, limit=limit + 1)
    page = found[:limit]
    return Page(items=page, next_cursor=page[-1].id if len(found) > limit else None)


async def change_user(uow: UnitOfWork, user_id: UUID, change: UserChange) -> UserListed:
    """Enable or disable a user, or give them another role; both end their sessions, except enabling.

    ValidationError where there is no such role, ResourceNotFoundError where there is no such user.
    """
    roles = get_authentication().roles
    if change.role is not None and change.role not in roles:
        raise ValidationError("role", f"must be one of {', '.join(sorted(roles))}")
    changed = await users.change_user(uow.session, user_id, role=change.role, is_active=change.is_active)
    if changed is None:
        raise ResourceNotFoundError("User", user_id)
    if change.role is not None or change.is_active is False:
        await get_authentication().end_sessions(uow, user_id)
    return changed


async def change_grants(uow: UnitOfWork, user: users.UserRow, *, add: set[str], remove: set[str]) -> None:
    """Grant scopes beyond the role, or take them away, which ends the user's sessions."""
    await users.change_user(uow.session, user.id, scopes=sorted({*user.scopes, *add} - remove))
    if remove:
        await get_authentication().end_sessions(uow, user.id)


async def set_password(uow: UnitOfWork, user_id: UUID, password_hash: str) -> None:
    """Set a user's password, and end their sessions."""
    await users.change_user(uow.session, user_id, password_hash=password_hash)
    await get_authentication().end_sessions(uow, user_id)


async def identify_api_key(session: ReadSession, key: str) -> Principal:
    """Return the caller of an API key that is good, with its scopes as far as its owner has them now."""
    if (owner := await credentials.find_owner(session, fingerprint(key))) is None:
        raise AuthenticationError("The API key is invalid.")
    scopes = get_authentication().scopes_of(owner).intersection(owner.key_scopes)
    return Principal(user_id=owner.id, scopes=scopes)


async def create_api_key(uow: UnitOfWork, principal: Principal, new: ApiKeyCreate) -> ApiKeyCreated:
    """Create a key, shown this once; AuthorizationError where it would allow more than the caller may."""
    principal.require(*new.scopes)
    key = new_credential("ak")
    given = {**new.model_dump(), "scopes": sorted(set(new.scopes)), "user_id": principal.user_id}
    made = await credentials.insert_api_key(uow.session, {**given, "hint": key[-4:], "fingerprint": fingerprint(key)})
    return ApiKeyCreated(**asdict(made), key=key)


async def list_api_keys(session: ReadSession, user_id: UUID) -> Sequence[ApiKeyRead]:
    """Return a user's keys, without the keys themselves."""
    return await credentials.list_api_keys(session, user_id)


async def revoke_api_key(uow: UnitOfWork, user_id: UUID, key_id: UUID) -> None:
    """Revoke a user's key, which stops working with the next request; ResourceNotFoundError where there is none."""
    if not await credentials.revoke_api_key(uow.session, user_id, key_id):
        raise ResourceNotFoundError("API key", key_id)
