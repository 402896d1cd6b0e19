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

pytestmark = pytest.mark.anyio

KEYS = "/api/v1/users/me/api-keys"
ME = "/api/v1/users/me"


async def make_key(client: AsyncClient, **values: Any) -> dict[str, Any]:
    response = await client.post(KEYS, json={"name": "import", "scopes": ["users:read"], **values})
    assert response.status_code == 201, response.text
    key: dict[str, Any] = response.json()
    return key


async def test_a_key_is_shown_once_and_stored_nowhere(client: AsyncClient, transaction: AsyncConnection) -> None:
    made = await make_key(client)

    listed = (await client.get(KEYS)).json()

    assert made["key"] == IsStr(regex=r"ak_[\w-]{43}")
    assert listed == [{name: value for name, value in made.items() if name != "key"}]
    assert listed[0]["hint"] == made["key"][-4:]
    stored = str((await transaction.execute(text("SELECT * FROM api_keys"))).all())
    assert made["key"] not in stored
    assert made["key"][3:] not in stored


async def test_an_api_key_identifies_its_owner(client: AsyncClient, anonymous: AsyncClient) -> None:
    made = await make_key(client)

    known = await anonymous.get(ME, headers={"X-API-Key": made["key"]})

    assert known.json() == (await client.get(ME)).json()


@pytest.mark.parametrize("expires_at", [0, 4e9, True, "4000000000", "2100-01-01", "2100-01-01T00:00:00"])
async def test_a_key_expires_at_a_moment_that_is_written_out(client: AsyncClient, expires_at: object) -> None:
    answer = await client.post(KEYS, json={"name": "import", "scopes": ["users:read"], "expires_at": expires_at})

    assert answer.status_code == 422
    assert answer.json()["field"] == "body.expires_at"
    assert (await client.get(KEYS)).json() == []


async def test_a_revoked_key_stops_working_at_once(client: AsyncClient, anonymous: AsyncClient) -> None:
    made = await make_key(client)

    revoked = await client.delete(f"{KEYS}/{made['id']}")

    assert revoked.status_code == 204
    assert (await anonymous.get(ME, headers={"X-API-Key": made["key"]})).status_code == 401
    assert (await client.get(KEYS)).json() == []
    assert (await client.delete(f"{KEYS}/{made['id']}")).status_code == 404


async def test_an_expired_key_does_not_work(client: AsyncClient, anonymous: AsyncClient) -> None:
    soon = datetime.now(UTC) + timedelta(minutes=5)
    good = await make_key(client, expires_at=soon.isoformat())
    expired = await make_key(client, expires_at=(soon - timedelta(minutes=10)).isoformat())

    assert (await anonymous.get(ME, headers={"X-API-Key": good["key"]})).status_code == 200
    assert (await anonymous.get(ME, headers={"X-API-Key": expired["key"]})).status_code == 401


async def test_a_key_allows_no_more_than_its_owner_does(
    client: AsyncClient, anonymous: AsyncClient, transaction: AsyncConnection
) -> None:
    refused = await client.post(KEYS, json={"name": "import", "scopes": ["users:read", "admin"]})
    made = await make_key(client)
    await transaction.execute(text("UPDATE users SET is_active = false"))

    assert refused.status_code == 403
    assert "admin" in refused.json()["detail"]
    assert (await anonymous.get(ME, headers={"X-API-Key": made["key"]})).status_code == 401


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("GET", KEYS, None),
        ("POST", KEYS, {"name": "another", "scopes": ["users:read"]}),
        ("DELETE", f"{KEYS}/019a8f3e-5f0c-7c3a-9d55-0b8f6f0f2a11", None),
        ("POST", "/api/v1/auth/logout", None),
        (
            "POST",
            "/api/v1/auth/password",
            {"current_password": "x", "new_password": "a new horse battery staple"},
        ),
    ],
)
async def test_a_key_cannot_take_its_owners_place(
    client: AsyncClient, anonymous: AsyncClient, method: str, path: str, body: Any
) -> None:
    made = await make_key(client)

    refused = await anonymous.request(method, path, json=body, headers={"X-API-Key": made["key"]})

    assert refused.status_code == 403
    assert refused.json()["error_code"] == "PERMISSION_DENIED"


async def test_api_keys_of_others_are_neither_listed_nor_revoked(app: FastAPI, client: AsyncClient) -> None:
    made = await make_key(client)
    _, tokens = await make_user()

    async with make_client(app, tokens) as other:
        assert (await other.get(KEYS)).json() == []
        assert (await other.delete(f"{KEYS}/{made['id']}")).status_code == 404
