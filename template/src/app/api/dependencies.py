"""Arguments of routes: the caller, and sessions. The names carry the policy; the routes stay sentences."""

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Annotated, Final

from fastapi import Depends
from fastapi.requests import HTTPConnection
from fastapi.security import APIKeyHeader, HTTPBearer
from fastapi.security.base import SecurityBase

from app.api.openapi import ACCESS_TOKEN, API_KEY
from app.core import database, monitor, uow
from app.core.exceptions import AuthenticationError, AuthorizationError
from app.core.security import Principal, Rate, caller_address
from app.services.authentication import get_authentication
from app.services.limits import use
from app.services.users import identify_api_key

_API_KEY_HEADER: Final = "X-API-Key"
# For the OpenAPI document.
_TOKEN: Final = HTTPBearer(description="An access token of login.")
_KEY: Final = APIKeyHeader(name=_API_KEY_HEADER, description="A key that a user made for a program.")


class CallerWith(SecurityBase):
    """Dependency that gives a route its caller, whose credentials must allow all of these scopes.

    An access token is believed without a query; an API key costs one. It is one dependency, since FastAPI takes as long
    to resolve one as this takes to read a token it has seen before.

    With `session`, it accepts access tokens alone, and no API key, and asks the database: for credentials and
    administration, where the time until an ended session or a lost role is known everywhere is too long.
    """

    def __init__(self, *scopes: str, session: bool = False) -> None:
        self.scopes = scopes
        self.session = session
        # FastAPI documents one scheme for each dependency; `install_openapi` adds the token where a key is enough.
        self.scheme_name = ACCESS_TOKEN if session else API_KEY
        self.model = (_TOKEN if session else _KEY).model

    async def __call__(self, connection: HTTPConnection) -> Principal:
        """Return the caller of a request or a web socket.

        Raises:
            AuthenticationError: There are no credentials, or none that hold.
            AuthorizationError: They do not allow this.
        """
        headers = connection.headers
        scheme, _, token = headers.get("Authorization", "").partition(" ")
        if scheme.lower() == "bearer":
            caller = await get_authentication().identify(token)
        elif api_key := headers.get(_API_KEY_HEADER):
            caller = await identify_api_key(database.get_database().reader, api_key)
        else:
            raise AuthenticationError("This needs an access token or an API key.")
        if self.session:
            if caller.session_id is None:
                raise AuthorizationError("This needs an access token; an API key is not enough.")
            caller = await get_authentication().confirm(caller)
        caller.require(*self.scopes)
        monitor.set_user(str(caller.user_id))
        return caller


Caller = Annotated[Principal, Depends(CallerWith())]
LoggedIn = Annotated[Principal, Depends(CallerWith(session=True))]


async def get_client_address(connection: HTTPConnection) -> str:
    """Return the caller's address as rate limits count it; behind a proxy, see API_TRUSTED_PROXIES."""
    return caller_address(connection.client.host if connection.client else "")


ClientAddress = Annotated[str, Depends(get_client_address)]


def limited_to(name: str, rate: Rate) -> Callable[..., Awaitable[None]]:
    """Return a dependency that limits the requests from one address, counted under this name."""

    async def check(address: ClientAddress) -> None:
        await use(get_authentication().limits, {f"{name}:{address}": rate})

    return check


async def get_unit_of_work() -> AsyncIterator[uow.UnitOfWork]:
    """Yield a unit of work, which is committed and its events published before the answer is sent.

    It opens its own session, instead of asking for one: a dependency that yields costs a request as much as a small
    route.
    """
    async with uow.unit_of_work() as unit:
        yield unit


# scope="function" is what puts the commit before the answer. With FastAPI's default scope the code after `yield` runs
# when the answer is on its way, so that a commit that fails would still answer 200.
UnitOfWork = Annotated[uow.UnitOfWork, Depends(get_unit_of_work, scope="function")]
# For a route with several transactions, in blocks of `atomic()`: nothing else commits them.
WriteSession = Annotated[database.WriteSession, Depends(database.get_db_session, scope="function")]
ReadSession = Annotated[database.ReadSession, Depends(database.get_read_session, scope="function")]
