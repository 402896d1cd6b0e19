"""Registration, forgotten passwords and other addresses, by mail."""

from http import HTTPStatus
from typing import Final

from fastapi import APIRouter, Depends

from app.api.dependencies import ClientAddress, LoggedIn, limited_to
from app.api.openapi import problems
from app.core.security import Rate
from app.models.schemas.auth import Address, AddressChange, Asked, LinkToken, PasswordReset
from app.models.schemas.user import UserCreate
from app.services import accounts
from app.services.accounts import Purpose

_REFUSALS: Final = (HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE)
router = APIRouter(prefix="/api/v1", tags=["auth"], responses=problems(*_REFUSALS))

# A person registers once; the people of an office share an address.
_REGISTRATIONS: Final = Depends(limited_to("register", Rate(times=20, seconds=3600)))
# A link is used once. No token can be guessed; each one that is tried costs a query.
_LINKS: Final = Depends(limited_to("link", Rate(times=60, seconds=900)))


@router.post(
    "/auth/register",
    status_code=HTTPStatus.ACCEPTED,
    responses=problems(HTTPStatus.FORBIDDEN),
    dependencies=[_REGISTRATIONS],
)
async def register(new: UserCreate, address: ClientAddress) -> Asked:
    """Register; 403 where AUTH_SIGN_UP is closed.

    The answer is the same whether there is an account or not. A mail has the link that confirms the address, without
    which no login succeeds, or says that there is an account.
    """
    await accounts.register(new, address=address)
    return Asked()


@router.post("/auth/verify", status_code=HTTPStatus.NO_CONTENT, dependencies=[_LINKS])
async def verify_address(link: LinkToken) -> None:
    """Confirm the address of a registration, by the token of the link that was mailed to it."""
    await accounts.use_link(Purpose.VERIFY, link)


@router.post("/auth/verify/resend", status_code=HTTPStatus.ACCEPTED)
async def resend_verification(asked: Address, address: ClientAddress) -> Asked:
    """Ask for another link that confirms the address of a registration."""
    await accounts.ask(Purpose.VERIFY, asked, address=address)
    return Asked()


@router.post("/auth/reset", status_code=HTTPStatus.ACCEPTED)
async def ask_for_reset(asked: Address, address: ClientAddress) -> Asked:
    """Ask for a link to set another password. The answer is the same whether there is an account or not."""
    await accounts.ask(Purpose.RESET, asked, address=address)
    return Asked()


@router.post("/auth/reset/confirm", status_code=HTTPStatus.NO_CONTENT, dependencies=[_LINKS])
async def reset_password(reset: PasswordReset) -> None:
    """Set another password, by the token of a link; all sessions end, and none begins."""
    await accounts.use_link(Purpose.RESET, reset)


@router.post("/users/me/email", status_code=HTTPStatus.ACCEPTED)
async def change_address(change: AddressChange, caller: LoggedIn, address: ClientAddress) -> Asked:
    """Ask for another e-mail address: a link is mailed to it, and a notice to the address of now."""
    await accounts.ask_change(caller, change, address=address)
    return Asked()


@router.post(
    "/auth/email/confirm",
    status_code=HTTPStatus.NO_CONTENT,
    responses=problems(HTTPStatus.CONFLICT),
    dependencies=[_LINKS],
)
async def confirm_address(link: LinkToken) -> None:
    """Take the address of now on, by the token of the link that was mailed to it; logged in or not."""
    await accounts.use_link(Purpose.CHANGE, link)
