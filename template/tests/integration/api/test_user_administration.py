"""Routes over users: the rows decide who may call them, and what they change takes effect at once."""

from typing import Any

import pytest
from dirty_equals import IsDatetime, IsPartialDict, IsUUID
from httpx import AsyncClient
from sqlalchemy.ext.asyncio import AsyncConnection

from tests.factories import make_user
from tests.logins import bearer, log_in, me, refresh, register, unused_email

pytestmark = pytest.mark.anyio

USERS = "/api/v1/users"


@pytest.fixture
async def admin(transaction: AsyncConnection) -> dict[str, str]:
    """Headers of an administrator."""
    _, tokens = await make_user(scopes=["users:admin", "users:read"])
    return bearer(tokens.model_dump())


@pytest.fixture
async def user(anonymous: AsyncClient) -> dict[str, Any]:
    """A session of a user, with their address and key."""
    await register(anonymous, email := unused_email())
    tokens = (await log_in(anonymous, email)).json()
    return {**tokens, "email": email, "id": (await me(anonymous, tokens)).json()["id"]}


async def change(client: AsyncClient, admin: dict[str, str], user: dict[str, Any], **changes: object) -> int:
    return (await client.patch(f"{USERS}/{user['id']}", json=changes, headers=admin)).status_code


async def test_list_users_shows_all_page_by_page(
    anonymous: AsyncClient, admin: dict[str, str], user: dict[str, Any]
) -> None:
    await register(anonymous, newest := unused_email())
    seen, cursor = [], None
    while True:
        query = {"limit": 2, **({"cursor": cursor} if cursor else {})}
        page = (await anonymous.get(USERS, params=query, headers=admin)).json()
        seen += page["items"]
        cursor = page["next_cursor"]
        if cursor is None:
            break

    assert [each["email"] for each in seen[:2]] == [newest, user["email"]]
    assert len({each["id"] for each in seen}) == len(seen) > 2
    assert seen[1] == {
        "id": IsUUID(),
        "email": user["email"],
        "role": "user",
        "scopes": [],
        "is_active": True,
        "email_verified_at": IsDatetime(iso_string=True),
        "created_at": IsDatetime(iso_string=True),
    }


async def test_change_user_disables_with_all_sessions_and_enables(
    anonymous: AsyncClient, admin: dict[str, str], user: dict[str, Any]
) -> None:
    assert await change(anonymous, admin, user, is_active=False) == 200

    assert (await me(anonymous, user)).status_code == 401
    assert (await refresh(anonymous, user)).status_code == 401
    assert (await log_in(anonymous, user["email"])).status_code == 401

    assert await change(anonymous, admin, user, is_active=True) == 200
    assert (await me(anonymous, user)).status_code == 401
    assert (await log_in(anonymous, user["email"])).status_code == 200


async def test_change_user_gives_a_role_and_ends_the_sessions_of_the_former(
    anonymous: AsyncClient, admin: dict[str, str], user: dict[str, Any]
) -> None:
    assert await change(anonymous, admin, user, role="admin") == 200
    assert (await me(anonymous, user)).status_code == 401
    now = bearer((await log_in(anonymous, user["email"])).json())
    assert (await anonymous.get(USERS, headers=now)).status_code == 200

    assert await change(anonymous, admin, user, role="user") == 200
    assert (await anonymous.get(USERS, headers=now)).status_code == 401
    again = bearer((await log_in(anonymous, user["email"])).json())
    assert (await anonymous.get(USERS, headers=again)).status_code == 403


@pytest.mark.parametrize(
    ("changes", "status"), [({"role": "emperor"}, 422), ({"role": "\0"}, 422), ({"scopes": ["a"]}, 422), ({}, 200)]
)
async def test_change_user_refuses_what_no_role_is(
    changes: dict[str, object], status: int, anonymous: AsyncClient, admin: dict[str, str], user: dict[str, Any]
) -> None:
    assert await change(anonymous, admin, user, **changes) == status
    assert (await me(anonymous, user)).json() == IsPartialDict(role="user")
    assert await change(anonymous, admin, {"id": "01900000-0000-7000-8000-000000000000"}, is_active=True) == 404


@pytest.mark.parametrize("lost", ["role = 'user', scopes = '{}'", "is_active = false"])
async def test_users_routes_ask_the_rows_for_who_the_caller_is(
    lost: str, anonymous: AsyncClient, admin: dict[str, str], user: dict[str, Any], transaction: AsyncConnection
) -> None:
    assert await change(anonymous, bearer(user), user, role="admin") == 403
    await transaction.exec_driver_sql(f"UPDATE users SET {lost} WHERE 'users:admin' = ANY (scopes)")

    refused = {await change(anonymous, admin, user, is_active=False)}
    refused.add((await anonymous.get(USERS, headers=admin)).status_code)
    assert refused == {401 if "active" in lost else 403}
    assert (await me(anonymous, user)).status_code == 200
