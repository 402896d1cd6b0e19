"""Login, refreshing tokens, logout."""

from http import HTTPStatus
from typing import Final

from fastapi import APIRouter, Depends

from app.api.dependencies import ClientAddress, LoggedIn, UnitOfWork, limited_to
from app.api.openapi import problems
from app.core.security import Rate
from app.models.schemas.auth import Login, LoginTokens, PasswordChange, Refresh, Tokens
from app.services.authentication import get_authentication

router = APIRouter(prefix="/api/v1/auth", tags=["auth"])

# A client refreshes once per access token.
_REFRESHES: Final = Depends(limited_to("refresh", Rate(times=60, seconds=60)))


@router.post("/login", responses=problems(HTTPStatus.UNAUTHORIZED, HTTPStatus.TOO_MANY_REQUESTS))
async def log_in(login: Login, address: ClientAddress) -> LoginTokens:
    """Start a session: an access token for the next minutes, a refresh token for the time after.

    Wrong passwords are limited by account and by address. A device that sends the `device_token` of an earlier login
    has a limit of its own, which other callers' guesses do not touch.
    """
    return await get_authentication().log_in(login, address=address)


@router.post(
    "/refresh", responses=problems(HTTPStatus.UNAUTHORIZED, HTTPStatus.TOO_MANY_REQUESTS), dependencies=[_REFRESHES]
)
async def refresh(token: Refresh, uow: UnitOfWork) -> Tokens:
    """Exchange a refresh token for a new pair, with the scopes that the user has now.

    Tabs that share a token, and a client whose answer was lost, may use it again for 30 seconds after its first
    use. A later use means that the token was copied, and ends the session with all of its tokens.
    """
    return await get_authentication().refresh(uow, token.refresh_token.get_secret_value())


@router.post("/logout", status_code=HTTPStatus.NO_CONTENT)
async def log_out(caller: LoggedIn, uow: UnitOfWork) -> None:
    """End this session: all of its tokens are refused from now on, those of other tabs included."""
    await get_authentication().log_out(uow, caller)


@router.post("/password", status_code=HTTPStatus.NO_CONTENT, responses=problems(HTTPStatus.TOO_MANY_REQUESTS))
async def change_password(change: PasswordChange, caller: LoggedIn, address: ClientAddress) -> None:
    """Change the password; all other sessions end."""
    await get_authentication().change_password(caller, change, address=address)
