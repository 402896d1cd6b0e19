"""Scopes follow from a role when a token is issued: what is added to a role reaches the users there are."""

from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractContextManager
from typing import Annotated
from uuid import uuid4

import pytest
from fastapi import APIRouter, Depends, FastAPI
from httpx import AsyncClient
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from app.api.identity import CallerWith
from app.core.security import Principal
from app.services.authentication import get_authentication
from tests.factories import PASSWORD
from tests.logins import bearer, log_in, refresh, unused_email, with_authentication

pytestmark = pytest.mark.anyio

REPORTS = "/reports"
KEYS = "/api/v1/users/me/api-keys"


@pytest.fixture
async def reporting(app: FastAPI) -> AsyncIterator[FastAPI]:
    """The application with a new resource."""
    router = APIRouter()
    reader = Annotated[Principal, Depends(CallerWith("reports:read"))]

    @router.get(REPORTS)
    async def read(caller: reader) -> int:
        return 200

    before = list(app.router.routes)
    app.router.routes.extend(router.routes)
    yield app
    app.router.routes[:] = before


def with_reports_for(role: str) -> AbstractContextManager[None]:
    """Have a role allow the new resource."""
    table = get_authentication().roles
    return with_authentication(roles={**table, role: [*table.get(role, ()), "reports:read"]})


async def insert_user_of_before(transaction: AsyncConnection, scopes: Sequence[str]) -> str:
    """Insert a user as 0.1.1 did, with a copy of the scopes of its day and no role, and return their address."""
    email = unused_email()
    password_hash = await get_authentication().passwords.hash(PASSWORD)
    await transaction.execute(
        text("INSERT INTO users (id, email, password_hash, scopes) VALUES (:id, :email, :hash, :scopes)"),
        {"id": uuid4(), "email": email, "hash": password_hash, "scopes": list(scopes)},
    )
    return email


async def status(client: AsyncClient, headers: dict[str, str]) -> int:
    return (await client.get(REPORTS, headers=headers)).status_code


async def test_a_new_resource_reaches_a_user_of_before_with_a_refresh_or_a_login(
    reporting: FastAPI, anonymous: AsyncClient, transaction: AsyncConnection
) -> None:
    email = await insert_user_of_before(transaction, ["users:read", "old:write"])
    before = (await log_in(anonymous, email)).json()
    assert await status(anonymous, bearer(before)) == 403

    with with_reports_for("user"):
        refreshed = (await refresh(anonymous, before)).json()
        logged_in = (await log_in(anonymous, email)).json()

        assert await status(anonymous, bearer(before)) == 403, "a token says what it said when it was issued"
        assert [await status(anonymous, bearer(each)) for each in (refreshed, logged_in)] == [200, 200]
        shown = (await anonymous.get("/api/v1/users/me", headers=bearer(refreshed))).json()
        assert shown["role"] == "user"
        assert set(shown["scopes"]) >= {"users:read", "old:write", "reports:read"}


async def test_a_role_gives_its_users_alone_what_stands_in_the_table(
    reporting: FastAPI, anonymous: AsyncClient, transaction: AsyncConnection
) -> None:
    clerk, other = [await insert_user_of_before(transaction, ()) for _ in range(2)]
    await transaction.execute(text("UPDATE users SET role = 'clerk' WHERE email = :email"), {"email": clerk})

    with with_reports_for("clerk"):
        tokens = [(await log_in(anonymous, email)).json() for email in (clerk, other)]
        assert [await status(anonymous, bearer(each)) for each in tokens] == [200, 403]
    left = (await refresh(anonymous, tokens[0])).json()
    assert await status(anonymous, bearer(left)) == 403, "an undefined role allows nothing"


async def test_an_api_key_allows_what_it_says_as_far_as_its_owner_may_now(
    reporting: FastAPI, anonymous: AsyncClient, transaction: AsyncConnection
) -> None:
    email = await insert_user_of_before(transaction, ["reports:read"])
    tokens = (await log_in(anonymous, email)).json()
    keys = [
        {"X-API-Key": (await anonymous.post(KEYS, json=new, headers=bearer(tokens))).json()["key"]}
        for new in (
            {"name": "all", "scopes": ["users:read", "reports:read"]},
            {"name": "less", "scopes": ["users:read"]},
        )
    ]
    assert [await status(anonymous, key) for key in keys] == [200, 403]

    await transaction.exec_driver_sql("UPDATE users SET scopes = '{}'")
    assert [await status(anonymous, key) for key in keys] == [403, 403]

    with with_reports_for("user"):
        assert [await status(anonymous, key) for key in keys] == [200, 403]
