"""Items belong to users, and credentials need scopes."""

import pytest
from fastapi import FastAPI
from httpx import AsyncClient

from tests.clients import make_client
from tests.factories import make_user
from tests.items import make_item

pytestmark = pytest.mark.anyio

ITEMS = "/api/v1/items"


async def test_items_of_others_are_not_found(app: FastAPI, client: AsyncClient) -> None:
    item = await make_item(client, sku="CHAIR-042", tags=["wood"])
    path = f"{ITEMS}/{item['id']}"
    _, tokens = await make_user()

    async with make_client(app, tokens) as other:
        assert (await other.get(path)).status_code == 404
        assert (await other.patch(path, json={"version": 1, "name": "Mine"})).status_code == 404
        assert (await other.delete(path)).status_code == 404
        assert (await other.get(ITEMS, params={"tag": "wood"})).json()["items"] == []
        assert (await other.put(f"{ITEMS}/by-sku/CHAIR-042", json={"name": "Mine"})).status_code == 201

    assert (await client.get(path)).json() == item


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", ITEMS),
        ("POST", ITEMS),
        ("GET", f"{ITEMS}/019a8f3e-5f0c-7c3a-9d55-0b8f6f0f2a11"),
        ("PATCH", f"{ITEMS}/019a8f3e-5f0c-7c3a-9d55-0b8f6f0f2a11"),
        ("DELETE", f"{ITEMS}/019a8f3e-5f0c-7c3a-9d55-0b8f6f0f2a11"),
        ("PUT", f"{ITEMS}/by-sku/CHAIR-042"),
    ],
)
async def test_every_route_needs_a_caller_and_the_right_scope(
    app: FastAPI, anonymous: AsyncClient, method: str, path: str
) -> None:
    body = {"sku": "CHAIR-042", "name": "Chair", "version": 1} if method in {"POST", "PATCH", "PUT"} else None
    _, without = await make_user(scopes=["users:read"])
    wrong_scope = "items:write" if method == "GET" else "items:read"
    _, half = await make_user(scopes=[wrong_scope])

    unknown = await anonymous.request(method, path, json=body)
    async with make_client(app, without) as client:
        nothing = await client.request(method, path, json=body)
    async with make_client(app, half) as client:
        other = await client.request(method, path, json=body)

    assert unknown.status_code == 401
    assert nothing.status_code == other.status_code == 403
    assert nothing.json()["error_code"] == "PERMISSION_DENIED"
