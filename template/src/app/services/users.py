"""Users and their API keys."""

from collections.abc import Iterable, Sequence
from dataclasses import asdict
from uuid import UUID

from app.core.database import ReadSession
from app.core.exceptions import AuthenticationError, ResourceExistsError, ResourceNotFoundError
from app.core.security import Principal, allowed_scopes, fingerprint, new_credential
from app.core.uow import UnitOfWork, unit_of_work
from app.models.domain.user import DEFAULT_ROLE
from app.models.schemas.auth import ApiKeyCreate, ApiKeyCreated, ApiKeyRead
from app.models.schemas.user import UserCreate, UserRead
from app.repositories import api_keys, users
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
    user = await users.find_user(session, user_id)
    if user is None:
        raise ResourceNotFoundError("User", user_id)
    return _shown(user)


async def identify_api_key(session: ReadSession, key: str) -> Principal:
    """Return the caller of an API key that is good, with its scopes as far as its owner has them now."""
    owner = await api_keys.find_owner(session, fingerprint(key))
    if owner is None:
        raise AuthenticationError("The API key is invalid.")
    roles = get_authentication().roles
    scopes = allowed_scopes(roles, owner.role, owner.grants).intersection(owner.key_scopes)
    return Principal(user_id=owner.user_id, scopes=scopes)


async def create_api_key(uow: UnitOfWork, principal: Principal, new: ApiKeyCreate) -> ApiKeyCreated:
    """Create a key, shown this once; AuthorizationError where it would allow more than the caller may."""
    principal.require(*new.scopes)
    key = new_credential("ak")
    stored = {"user_id": principal.user_id, "hint": key[-4:], "fingerprint": fingerprint(key)}
    made = await api_keys.insert_api_key(uow.session, {**new.model_dump(), "scopes": sorted(set(new.scopes)), **stored})
    return ApiKeyCreated(**asdict(made), key=key)


async def list_api_keys(session: ReadSession, user_id: UUID) -> Sequence[ApiKeyRead]:
    """Return a user's keys, without the keys themselves."""
    return await api_keys.list_api_keys(session, user_id)


async def revoke_api_key(uow: UnitOfWork, user_id: UUID, key_id: UUID) -> None:
    """Revoke a user's key, which stops working with the next request; ResourceNotFoundError where there is none."""
    if not await api_keys.revoke_api_key(uow.session, user_id, key_id):
        raise ResourceNotFoundError("API key", key_id)


def _shown(user: users.UserRow) -> UserRead:
    scopes = sorted(allowed_scopes(get_authentication().roles, user.role, user.scopes))
    return UserRead(id=user.id, email=user.email, role=user.role, scopes=scopes, created_at=user.created_at)
