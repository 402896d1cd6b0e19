"""API keys: shown once, scoped, revocable."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from dirty_equals import IsStr
from fastapi import FastAPI
from httpx import AsyncClient
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from tests.clients import make_client
from tests.factories import make_user
from tests.logins import AUTH, ME

pytestmark = pytest.mark.anyio

KEYS = f"{ME}/api-keys"


async def make_key(client: AsyncClient, **values: Any) -> dict[str, Any]:
    response = await client.post(KEYS, json={"name": "import", "scopes": ["users:read"], **values})
    assert response.status_code == 201, response.text
    key: dict[str, Any] = response.json()
    return key


async def status_with(client: AsyncClient, key: dict[str, Any]) -> int:
    return (await client.get(ME, headers={"X-API-Key": key["key"]})).status_code


async def test_a_key_is_shown_once_stored_nowhere_and_identifies_its_owner(
    client: AsyncClient, anonymous: AsyncClient, transaction: AsyncConnection
) -> None:
    made = await make_key(client)

    listed = (await client.get(KEYS)).json()
    known = await anonymous.get(ME, headers={"X-API-Key": made["key"]})

    assert made["key"] == IsStr(regex=r"ak_[\w-]{43}")
    assert listed == [{name: value for name, value in made.items() if name != "key"}]
    assert listed[0]["hint"] == made["key"][-4:]
    assert made["key"][3:] not in str((await transaction.execute(text("SELECT * FROM api_keys"))).all())
    assert known.json() == (await client.get(ME)).json()


@pytest.mark.parametrize("expires_at", [0, True, "4000000000", "2100-01-01", "2100-01-01T00:00:00"])
async def test_create_api_key_takes_a_moment_that_is_written_out(client: AsyncClient, expires_at: object) -> None:
    answer = await client.post(KEYS, json={"name": "import", "scopes": ["users:read"], "expires_at": expires_at})

    assert answer.status_code == 422
    assert answer.json()["field"] == "body.expires_at"


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
    assert [await status_with(anonymous, each) for each in (good, expired, revoked)] == [200, 401, 401]
    await transaction.execute(text("UPDATE users SET is_active = false"))
    assert await status_with(anonymous, good) == 401


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
    made = await make_key(client)

    refused = await anonymous.request(method, path, json=body, headers={"X-API-Key": made["key"]})

    assert (refused.status_code, refused.json()["error_code"]) == (403, "PERMISSION_DENIED")


async def test_api_keys_of_others_are_neither_listed_nor_revoked(app: FastAPI, client: AsyncClient) -> None:
    made = await make_key(client)
    _, tokens = await make_user()

    async with make_client(app, tokens) as other:
        assert (await other.get(KEYS)).json() == []
        assert (await other.delete(f"{KEYS}/{made['id']}")).status_code == 404
