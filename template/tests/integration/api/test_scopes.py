"""Scopes follow from a role when a token is issued; API keys allow some of their owner's, until they are revoked."""

from collections.abc import AsyncIterator
from contextlib import AbstractContextManager
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

import pytest
from dirty_equals import IsStr
from fastapi import APIRouter, Depends, FastAPI
from httpx import AsyncClient
from pydantic import SecretStr
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from app.api.dependencies import CallerWith
from app.core.security import Principal
from app.models.domain.user import DEFAULT_ROLE
from app.models.schemas.user import UserCreate
from app.services.authentication import get_authentication
from app.services.users import create_user
from tests.clients import make_client, problem
from tests.factories import PASSWORD, make_user
from tests.logins import AUTH, ME, bearer, log_in, me, refresh, unused_email, with_authentication

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("reporting")]

REPORTS = "/reports"
KEYS = f"{ME}/api-keys"


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


async def make_key(client: AsyncClient, *scopes: str, **values: Any) -> dict[str, Any]:
    made = await client.post(KEYS, json={"name": "import", "scopes": scopes or ["users:read"], **values})
    assert made.status_code == 201, made.text
    key: dict[str, Any] = made.json()
    return key


def with_key(key: dict[str, Any]) -> dict[str, str]:
    return {"X-API-Key": key["key"]}


async def statuses(client: AsyncClient, *headers: dict[str, str], path: str = REPORTS) -> list[int]:
    return [(await client.get(path, headers=each)).status_code for each in headers]


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
    anonymous.headers = bearer((await log_in(anonymous, await make_user_with("reports:read"))).json())
    keys = [with_key(await make_key(anonymous, *each)) for each in (("users:read", "reports:read"), ("users:read",))]
    problem(await anonymous.post(KEYS, json={"name": "k", "scopes": ["admin"]}), 403, "PERMISSION_DENIED")
    anonymous.headers = {}

    assert await statuses(anonymous, *keys) == [200, 403]
    await transaction.exec_driver_sql("UPDATE users SET scopes = '{}'")
    assert await statuses(anonymous, *keys) == [403, 403]
    with with_reports_for("user"):
        assert await statuses(anonymous, *keys) == [200, 403]


async def test_create_api_key_shows_a_key_once_that_is_stored_nowhere_and_identifies_its_owner(
    client: AsyncClient, anonymous: AsyncClient, transaction: AsyncConnection
) -> None:
    made = await make_key(client)

    listed = (await client.get(KEYS)).json()
    known = await anonymous.get(ME, headers=with_key(made))

    assert made["key"] == IsStr(regex=r"ak_[\w-]{43}")
    assert listed == [{name: value for name, value in made.items() if name != "key"}]
    assert listed[0]["hint"] == made["key"][-4:]
    assert made["key"][3:] not in str((await transaction.execute(text("SELECT * FROM api_keys"))).all())
    assert known.json() == (await client.get(ME)).json()


@pytest.mark.parametrize(
    ("change", "status", "code"),
    [
        ("UPDATE sessions SET revoked_at = now()", 401, "AUTHENTICATION_FAILED"),
        ("UPDATE users SET is_active = false", 401, "AUTHENTICATION_FAILED"),
        ("UPDATE users SET scopes = '{}'", 403, "PERMISSION_DENIED"),
    ],
)
async def test_create_api_key_believes_the_rows_where_another_process_has_changed_them(
    change: str, status: int, code: str, anonymous: AsyncClient, transaction: AsyncConnection
) -> None:
    anonymous.headers = bearer((await log_in(anonymous, await make_user_with("reports:read"))).json())
    await make_key(anonymous, "reports:read")
    await transaction.exec_driver_sql(change)

    problem(await anonymous.post(KEYS, json={"name": "another", "scopes": ["reports:read"]}), status, code)


async def test_a_key_that_is_revoked_expired_or_of_a_disabled_user_does_not_work(
    client: AsyncClient, anonymous: AsyncClient, transaction: AsyncConnection
) -> None:
    soon = datetime.now(UTC) + timedelta(minutes=5)
    good = await make_key(client, expires_at=soon.isoformat())
    expired = await make_key(client, expires_at=(soon - timedelta(minutes=10)).isoformat())
    revoked = await make_key(client)

    deleted = [(await client.delete(f"{KEYS}/{revoked['id']}")).status_code for _ in range(2)]

    assert deleted == [204, 404]
    assert [each["id"] for each in (await client.get(KEYS)).json()] == [good["id"], expired["id"]]
    assert await statuses(anonymous, *map(with_key, (good, expired, revoked)), path=ME) == [200, 401, 401]
    await transaction.execute(text("UPDATE users SET is_active = false"))
    assert await statuses(anonymous, with_key(good), path=ME) == [401]


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("GET", KEYS, None),
        ("POST", KEYS, {"name": "another", "scopes": ["users:read"]}),
        ("DELETE", f"{KEYS}/019a8f3e-5f0c-7c3a-9d55-0b8f6f0f2a11", None),
        ("POST", f"{AUTH}/logout", None),
        ("POST", f"{AUTH}/password", {"current_password": "x", "new_password": "a new horse battery staple"}),
    ],
)
async def test_a_key_cannot_take_its_owners_place(
    client: AsyncClient, anonymous: AsyncClient, method: str, path: str, body: Any
) -> None:
    refused = await anonymous.request(method, path, json=body, headers=with_key(await make_key(client)))

    problem(refused, 403, "PERMISSION_DENIED")


async def test_api_keys_of_others_are_neither_listed_nor_revoked(app: FastAPI, client: AsyncClient) -> None:
    made = await make_key(client)
    _, tokens = await make_user()

    async with make_client(app, tokens) as other:
        assert (await other.get(KEYS)).json() == []
        assert (await other.delete(f"{KEYS}/{made['id']}")).status_code == 404
