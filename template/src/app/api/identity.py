"""Who is calling, for routes to ask for: from the credentials alone, and before anything else is done."""

from collections.abc import Awaitable, Callable
from ipaddress import IPv6Address, ip_address
from typing import Annotated, Final

from fastapi import Depends, Request, Security
from fastapi.security import APIKeyHeader, HTTPAuthorizationCredentials, HTTPBearer

from app.api.dependencies import Process
from app.core.database import get_database
from app.core.exceptions import AuthenticationError, AuthorizationError, RateLimitError
from app.core.logging import bind_log_context
from app.core.security import Principal, Rate
from app.services.users import identify_api_key

_bearer: Final = HTTPBearer(auto_error=False, description="An access token of `/api/v1/auth/login`.")
_api_key: Final = APIKeyHeader(name="X-API-Key", auto_error=False, description="A key of `/api/v1/users/me/api-keys`.")
# An IPv6 network of this size is what one customer has: its addresses are one caller.
_IPV6_PREFIX_BITS: Final = 64


async def get_caller(
    process: Process,
    bearer: Annotated[HTTPAuthorizationCredentials | None, Security(_bearer)],
    api_key: Annotated[str | None, Security(_api_key)],
) -> Principal:
    """Who is calling. An access token is believed without a query; an API key costs one.

    Raises:
        AuthenticationError: There are no credentials, or none that hold.
    """
    if bearer is not None:
        caller = await process.authentication.identify(bearer.credentials)
    elif api_key is not None:
        async with get_database().read_session() as session:
            caller = await identify_api_key(session, api_key)
    else:
        raise AuthenticationError("This needs an access token or an API key.")
    bind_log_context(user_id=str(caller.user_id))
    return caller


Caller = Annotated[Principal, Depends(get_caller)]


async def get_logged_in(caller: Caller) -> Principal:
    """Who is calling with an access token, where a program's key must not do.

    Raises:
        AuthorizationError: It is an API key.
    """
    if caller.session_id is None:
        raise AuthorizationError("This needs an access token; an API key is not enough.")
    return caller


LoggedIn = Annotated[Principal, Depends(get_logged_in)]


def caller_with(*scopes: str) -> Callable[[Principal], Awaitable[Principal]]:
    """A dependency: the caller, whose credentials must have all of these scopes."""

    async def check(caller: Caller) -> Principal:
        caller.require(*scopes)
        return caller

    return check


async def get_client_address(request: Request) -> str:
    """Where a request comes from, as rate limits count it; behind a proxy, see API_TRUSTED_PROXIES."""
    host = request.client.host if request.client else ""
    try:
        address = ip_address(host)
    except ValueError:
        return host
    if isinstance(address, IPv6Address):
        return f"{IPv6Address(int(address) >> _IPV6_PREFIX_BITS << _IPV6_PREFIX_BITS)}/{_IPV6_PREFIX_BITS}"
    return host


ClientAddress = Annotated[str, Depends(get_client_address)]


def limited_to(name: str, rate: Rate) -> Callable[..., Awaitable[None]]:
    """A dependency: so many requests in such a time from one address, counted under this name."""

    async def check(process: Process, address: ClientAddress) -> None:
        if wait := await process.rate_limits.hit(f"{name}:{address}", rate):
            raise RateLimitError(int(wait) + 1)

    return check
