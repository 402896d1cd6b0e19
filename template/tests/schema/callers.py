"""Callers who are never used up: every request comes from an address and with credentials of its own."""

import itertools
from ipaddress import IPv4Address
from typing import Final, Literal

from fastapi import FastAPI
from pydantic import SecretStr
from starlette.types import Receive, Scope, Send

from app.core.uow import unit_of_work
from app.models.domain.user import User
from app.models.schemas.auth import ApiKeyCreate, Login
from app.services.authentication import get_authentication
from app.services.users import create_api_key
from tests.factories import PASSWORD, make_user

Credentials = Literal["access_token", "api_key"]

# The placeholders of generated requests for credentials; other values are left as they are.
STAND_INS: Final[dict[Credentials, tuple[str, str]]] = {
    "access_token": ("Authorization", "Bearer stands-in-for-a-token"),
    "api_key": ("X-API-Key", "stands-in-for-a-key"),
}


class FreshCallers:
    """The application behind something that exchanges stand-ins for credentials.

    A request may log out, end the other sessions or use up a rate limit, and must not spoil the requests after it. All
    callers are one user, so that what one request makes, another can read.

    Args:
        app: What is called.
    """

    def __init__(self, app: FastAPI) -> None:
        self.app = app
        self._addresses = (str(IPv4Address("10.0.0.1") + number) for number in itertools.count())
        self._user: User | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            address = next(self._addresses)
            headers = [await self._exchange(name, value, address) for name, value in scope["headers"]]
            scope = {**scope, "client": (address, 1), "headers": headers}
        await self.app(scope, receive, send)

    async def _exchange(self, name: bytes, value: bytes, address: str) -> tuple[bytes, bytes]:
        for kind, (header, stand_in) in STAND_INS.items():
            if (name, value) == (header.lower().encode(), stand_in.encode()):
                return name, (await self._credentials(kind, address)).encode()
        return name, value

    async def _credentials(self, kind: Credentials, address: str) -> str:
        if self._user is None:
            self._user, _ = await make_user()
        login = Login(email=self._user.email, password=SecretStr(PASSWORD))
        tokens = await get_authentication().log_in(login, address=address)
        if kind == "access_token":
            return f"Bearer {tokens.access_token}"
        caller = await get_authentication().identify(tokens.access_token)
        new = ApiKeyCreate(name="of a generated request", scopes=sorted(caller.scopes))
        async with unit_of_work() as uow:
            return (await create_api_key(uow, caller, new)).key
