"""The calling user, their API keys, and for administrators, all users."""

from collections.abc import Sequence
from http import HTTPStatus
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Path, Query

from app.api.dependencies import Caller, CallerWith, LoggedIn, ReadSession, UnitOfWork
from app.api.openapi import problems
from app.core.security import Principal
from app.models.schemas.auth import ApiKeyCreate, ApiKeyCreated, ApiKeyRead
from app.models.schemas.types import END, Cursor, Page, PageSize
from app.models.schemas.user import UserChange, UserListed, UserRead
from app.services import users

router = APIRouter(prefix="/api/v1/users", tags=["users"])

Administrator = Annotated[Principal, Depends(CallerWith("users:admin", session=True))]


@router.get("")
async def list_users(
    _caller: Administrator,
    session: ReadSession,
    limit: Annotated[PageSize, Query()] = 20,
    cursor: Annotated[Cursor, Query()] = END,
) -> Page[UserListed]:
    """List users page by page, the newest first."""
    return await users.list_users(session, limit=limit, before=cursor)


# The convertor keeps `/me` out of it, which is no key and has other methods.
@router.patch("/{user_id:uuid}", responses=problems(HTTPStatus.NOT_FOUND))
async def change_user(
    user_id: Annotated[UUID, Path(description="The user's key.")],
    change: UserChange,
    _caller: Administrator,
    uow: UnitOfWork,
) -> UserListed:
    """Disable or enable a user, or give them another role; their sessions end, unless they are enabled."""
    return await users.change_user(uow, user_id, change)


@router.get("/me", responses=problems(HTTPStatus.NOT_FOUND))
async def get_me(caller: Caller, session: ReadSession) -> UserRead:
    """Return the calling user."""
    return await users.get_user(session, caller.user_id)


@router.post("/me/api-keys", status_code=HTTPStatus.CREATED)
async def create_api_key(new: ApiKeyCreate, caller: LoggedIn, uow: UnitOfWork) -> ApiKeyCreated:
    """Create a key for a program; it is shown in this answer and never again."""
    return await users.create_api_key(uow, caller, new)


@router.get("/me/api-keys")
async def list_api_keys(caller: LoggedIn, session: ReadSession) -> Sequence[ApiKeyRead]:
    """List the caller's keys, without the keys themselves."""
    return await users.list_api_keys(session, caller.user_id)


@router.delete("/me/api-keys/{key_id}", status_code=HTTPStatus.NO_CONTENT, responses=problems(HTTPStatus.NOT_FOUND))
async def revoke_api_key(
    key_id: Annotated[UUID, Path(description="The key's id.")], caller: LoggedIn, uow: UnitOfWork
) -> None:
    """Revoke a key; it stops working with the next request."""
    await users.revoke_api_key(uow, caller.user_id, key_id)
