"""Who is calling, for routes to ask for: from the credentials alone, and before anything else is done."""

from collections.abc import Awaitable, Callable
from typing import Annotated, Final

from fastapi import Depends
from fastapi.openapi.models import APIKey as APIKeyModel
from fastapi.openapi.models import APIKeyIn
from fastapi.openapi.models import HTTPBearer as HTTPBearerModel
from fastapi.requests import HTTPConnection
from fastapi.security.base import SecurityBase

from app.api.dependencies import Process
from app.api.openapi import ACCESS_TOKEN, API_KEY
from app.api.state import ProcessState
from app.core import monitor
from app.core.database import get_database
from app.core.exceptions import AuthenticationError, AuthorizationError, RateLimitError
from app.core.security import Principal, Rate, caller_address
from app.services.users import identify_api_key

_SCHEME: Final = "bearer "
_API_KEY_HEADER: Final = "X-API-Key"


class CallerWith(SecurityBase):
    """A dependency: the caller, whose credentials must have all of these scopes.

    An access token is believed without a query; an API key costs one. All of it is one dependency, since FastAPI
    spends as long on resolving one as this spends on reading a token it has seen before.

    Args:
        scopes: What the credentials must allow.
        session: Whether an access token is needed, where a program's key must not do.
    """

    def __init__(self, *scopes: str, session: bool = False) -> None:
        self.scopes = scopes
        self.session = session
        # FastAPI documents one scheme for each dependency; `install_openapi` adds the token where a key is enough.
        self.scheme_name = ACCESS_TOKEN if session else API_KEY
        self.model = (
            HTTPBearerModel(description="An access token of login.")
            if session
            else APIKeyModel.model_validate(
                {"in": APIKeyIn.header, "name": _API_KEY_HEADER, "description": "A key that a user made for a program."}
            )
        )

    async def __call__(self, connection: HTTPConnection) -> Principal:
        """Return the caller of a request or a web socket.

        Raises:
            AuthenticationError: There are no credentials, or none that hold.
            AuthorizationError: They do not allow this.
        """
        caller = await _identify(connection)
        if self.session and caller.session_id is None:
            raise AuthorizationError("This needs an access token; an API key is not enough.")
        caller.require(*self.scopes)
        monitor.set_user(caller.user_key)
        return caller


Caller = Annotated[Principal, Depends(CallerWith())]
LoggedIn = Annotated[Principal, Depends(CallerWith(session=True))]


async def _identify(connection: HTTPConnection) -> Principal:
    headers = connection.headers
    process: ProcessState = connection.app.state["process"]
    authorization = headers.get("Authorization", "")
    if authorization[: len(_SCHEME)].lower() == _SCHEME:
        return await process.authentication.identify(authorization[len(_SCHEME) :])
    if api_key := headers.get(_API_KEY_HEADER):
        async with get_database().read_session() as session:
            return await identify_api_key(session, api_key, roles=process.authentication.roles)
    raise AuthenticationError("This needs an access token or an API key.")


async def get_client_address(connection: HTTPConnection) -> str:
    """Return the caller's address as rate limits count it; behind a proxy, see API_TRUSTED_PROXIES."""
    return caller_address(connection.client.host if connection.client else "")


ClientAddress = Annotated[str, Depends(get_client_address)]


def limited_to(name: str, rate: Rate) -> Callable[..., Awaitable[None]]:
    """A dependency: so many requests in such a time from one address, counted under this name."""

    async def check(process: Process, address: ClientAddress) -> None:
        if wait := await process.rate_limits.hit(f"{name}:{address}", rate):
            raise RateLimitError(int(wait) + 1)

    return check
