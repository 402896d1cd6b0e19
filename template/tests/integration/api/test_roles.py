"""Scopes follow from a role when a token is issued: what is added to a role reaches the users there are."""

from collections.abc import AsyncIterator
from contextlib import AbstractContextManager
from typing import Annotated

import pytest
from fastapi import APIRouter, Depends, FastAPI
from httpx import AsyncClient
from pydantic import SecretStr
from sqlalchemy.ext.asyncio import AsyncConnection

from app.api.identity import CallerWith
from app.core.security import Principal
from app.models.domain.user import DEFAULT_ROLE
from app.models.schemas.user import UserCreate
from app.services.authentication import get_authentication
from app.services.users import create_user
from tests.factories import PASSWORD
from tests.logins import ME, bearer, log_in, me, refresh, unused_email, with_authentication

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("reporting")]

REPORTS = "/reports"


@pytest.fixture
async def reporting(app: FastAPI) -> AsyncIterator[None]:
    """A new resource of the application."""
    router = APIRouter()
    reader = Annotated[Principal, Depends(CallerWith("reports:read"))]

    @router.get(REPORTS)
    async def read(caller: reader) -> int:
        return 200

    before = list(app.router.routes)
    app.router.routes.extend(router.routes)
    yield
    app.router.routes[:] = before


def with_reports_for(role: str) -> AbstractContextManager[None]:
    """Have a role allow the new resource."""
    table = get_authentication().roles
    return with_authentication(roles={**table, role: [*table.get(role, ()), "reports:read"]})


async def make_user_with(*grants: str, role: str = DEFAULT_ROLE) -> str:
    """Create a user and return their address."""
    new = UserCreate(email=unused_email(), password=SecretStr(PASSWORD))
    return (await create_user(new, role=role, grants=grants)).email


async def statuses(client: AsyncClient, *headers: dict[str, str]) -> list[int]:
    return [(await client.get(REPORTS, headers=each)).status_code for each in headers]


async def test_a_new_resource_reaches_a_user_of_before_with_a_refresh_or_a_login(anonymous: AsyncClient) -> None:
    email = await make_user_with("users:read", "old:write")
    before = (await log_in(anonymous, email)).json()

    with with_reports_for("user"):
        refreshed, logged_in = (await refresh(anonymous, before)).json(), (await log_in(anonymous, email)).json()

        # A token says what it said when it was issued.
        assert await statuses(anonymous, *map(bearer, (before, refreshed, logged_in))) == [403, 200, 200]
        shown = (await me(anonymous, refreshed)).json()
        assert shown["role"] == "user"
        assert set(shown["scopes"]) >= {"users:read", "old:write", "reports:read"}


async def test_a_role_gives_its_users_alone_what_stands_in_the_table(anonymous: AsyncClient) -> None:
    clerk, other = await make_user_with(role="clerk"), await make_user_with()

    with with_reports_for("clerk"):
        tokens = [(await log_in(anonymous, email)).json() for email in (clerk, other)]
        assert await statuses(anonymous, *map(bearer, tokens)) == [200, 403]
    left = (await refresh(anonymous, tokens[0])).json()
    assert await statuses(anonymous, bearer(left)) == [403], "an undefined role allows nothing"


async def test_an_api_key_allows_what_it_says_as_far_as_its_owner_may_now(
    anonymous: AsyncClient, transaction: AsyncConnection
) -> None:
    email = await make_user_with("reports:read")
    owner = bearer((await log_in(anonymous, email)).json())

    async def make_key(*scopes: str) -> dict[str, str]:
        made = await anonymous.post(f"{ME}/api-keys", json={"name": "k", "scopes": scopes}, headers=owner)
        return {"X-API-Key": made.json()["key"]} if made.status_code == 201 else made.json()

    more, less = await make_key("users:read", "reports:read"), await make_key("users:read")
    assert (await make_key("users:read", "admin"))["error_code"] == "PERMISSION_DENIED"

    assert await statuses(anonymous, more, less) == [200, 403]
    await transaction.exec_driver_sql("UPDATE users SET scopes = '{}'")
    assert await statuses(anonymous, more, less) == [403, 403]
    with with_reports_for("user"):
        assert await statuses(anonymous, more, less) == [200, 403]
