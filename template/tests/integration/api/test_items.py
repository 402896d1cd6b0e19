"""Items through the API, down to the database and back."""

from typing import Any
from urllib.parse import quote
from uuid import uuid4

import pytest
from dirty_equals import IsDatetime, IsStr, IsUUID
from httpx import AsyncClient, Response
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from tests.items import make_item

pytestmark = pytest.mark.anyio

ITEMS = "/api/v1/items"


def names(response: Response) -> list[str]:
    assert response.status_code == 200, response.text
    return [item["name"] for item in response.json()["items"]]


async def test_create_item_returns_an_item_that_can_be_read(client: AsyncClient) -> None:
    created = await client.post(
        ITEMS,
        json={
            "sku": "CHAIR-042",
            "name": "  Garden chair ",
            "description": "Folds flat.",
            "tags": ["garden", "wood"],
            "metadata": {"color": "green", "legs": 4, "sizes": [1.5, None]},
        },
    )

    assert created.status_code == 201
    assert created.json() == {
        "id": IsUUID(),
        "sku": "CHAIR-042",
        "name": "Garden chair",
        "description": "Folds flat.",
        "tags": ["garden", "wood"],
        "metadata": {"color": "green", "legs": 4, "sizes": [1.5, None]},
        "version": 1,
        "created_at": IsDatetime(iso_string=True),
        "updated_at": IsDatetime(iso_string=True),
    }
    read = await client.get(created.headers["Location"])
    assert read.status_code == 200
    assert read.json() == created.json()


async def test_create_item_refuses_a_taken_sku(client: AsyncClient) -> None:
    await make_item(client, sku="CHAIR-042", name="First")

    refused = await client.post(ITEMS, json={"sku": "CHAIR-042", "name": "Second"})

    assert refused.status_code == 409
    assert refused.headers["Content-Type"] == "application/problem+json"
    assert refused.json() == {
        "type": "about:blank",
        "title": "Conflict",
        "status": 409,
        "detail": "Item CHAIR-042 exists already.",
        "error_code": "ALREADY_EXISTS",
        "request_id": IsStr(),
        "details": {"resource_type": "Item", "identifier": "CHAIR-042"},
    }
    assert names(await client.get(ITEMS)) == ["First"]


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"sku": "A 1", "name": "x"}, "body.sku"),
        ({"sku": "A-1"}, "body.name"),
        ({"sku": "A-1", "name": "x" * 201}, "body.name"),
        ({"sku": "A-1", "name": "a\0b"}, "body.name"),
        ({"sku": "A-1", "name": "x", "tags": ["Not A Tag"]}, "body.tags.0"),
        ({"sku": "A-1", "name": "x", "tags": ["a"] * 33}, "body.tags"),
        ({"sku": "A-1", "name": "x", "metadata": {"a": ["b", {"c\0": 1}]}}, "body.metadata"),
        ({"sku": "A-1", "name": "x", "colour": "green"}, "body.colour"),
    ],
)
async def test_create_item_refuses_a_malformed_item_with_the_rule(
    client: AsyncClient, body: dict[str, Any], field: str
) -> None:
    refused = await client.post(ITEMS, json=body)

    assert refused.status_code == 422
    problem = refused.json()
    assert problem["error_code"] == "VALIDATION_ERROR"
    assert problem["field"] == field
    assert problem["errors"][0] == {"field": field, "message": IsStr(min_length=5)}


async def test_list_items_pages_hold_every_item_once_newest_first(client: AsyncClient) -> None:
    made = [(await make_item(client))["name"] for _ in range(7)]

    seen: list[str] = []
    cursor: str | None = None
    for _ in range(4):
        page = await client.get(ITEMS, params={"limit": 2, **({"cursor": cursor} if cursor else {})})
        seen += names(page)
        cursor = page.json()["next_cursor"]

    assert cursor is None
    assert seen == made[::-1]


async def test_list_items_page_is_not_shifted_by_new_items(client: AsyncClient) -> None:
    for number in range(4):
        await make_item(client, name=f"Item {number}")
    first = await client.get(ITEMS, params={"limit": 2})
    await make_item(client, name="Newcomer")

    second = await client.get(ITEMS, params={"limit": 2, "cursor": first.json()["next_cursor"]})

    assert names(first) + names(second) == ["Item 3", "Item 2", "Item 1", "Item 0"]


@pytest.mark.parametrize("cursor", ["x", "!!!!", "WzEsMl0", "bm90IGpzb24", quote("é")])
async def test_list_items_refuses_a_cursor_that_was_never_issued(client: AsyncClient, cursor: str) -> None:
    refused = await client.get(ITEMS, params={"cursor": cursor})

    assert refused.status_code == 422
    assert refused.json()["field"] == "cursor"


async def test_list_items_filters_by_tags_and_metadata_together(client: AsyncClient) -> None:
    await make_item(client, name="Both", tags=["wood", "garden"], metadata={"color": "green", "size": {"w": 2}})
    await make_item(client, name="Wood", tags=["wood"], metadata={"color": "red"})
    await make_item(client, name="Garden", tags=["garden"], metadata={"color": "green"})

    assert names(await client.get(ITEMS, params={"tag": "wood"})) == ["Wood", "Both"]
    assert names(await client.get(ITEMS, params={"tag": ["wood", "garden"]})) == ["Both"]
    assert names(await client.get(ITEMS, params={"metadata": '{"color": "green"}'})) == ["Garden", "Both"]
    assert names(await client.get(ITEMS, params={"metadata": '{"size": {"w": 2}}'})) == ["Both"]
    assert names(await client.get(ITEMS, params={"tag": "wood", "metadata": '{"color": "green"}'})) == ["Both"]


@pytest.mark.parametrize(
    "params", [{"limit": 0}, {"limit": 101}, {"metadata": "[]"}, {"metadata": "{"}, {"search": "\0"}, {"colour": "x"}]
)
async def test_list_items_refuses_malformed_parameters(client: AsyncClient, params: dict[str, Any]) -> None:
    refused = await client.get(ITEMS, params=params)

    assert refused.status_code == 422
    assert refused.json()["field"] == f"query.{next(iter(params))}"


async def test_list_items_search_finds_parts_of_names_and_takes_wildcards_literally(client: AsyncClient) -> None:
    await make_item(client, name="Garden chair")
    await make_item(client, name="Garden bench")
    await make_item(client, name="100% cotton")

    assert names(await client.get(ITEMS, params={"search": "chair"})) == ["Garden chair"]
    assert names(await client.get(ITEMS, params={"search": "100%"})) == ["100% cotton"]
    assert names(await client.get(ITEMS, params={"search": "%"})) == ["100% cotton"]


async def test_list_items_search_forgives_typing_errors_and_pages_by_closeness(
    client: AsyncClient, transaction: AsyncConnection
) -> None:
    if not await transaction.scalar(text("SELECT 1 FROM pg_extension WHERE extname = 'pg_trgm'")):
        pytest.skip("this server has no pg_trgm; set TEST_DATABASE_URL to one that has")
    for name in ["Garden chair", "Garden chairs", "Chairman's gardening", "Bench"]:
        await make_item(client, name=name)

    whole = names(await client.get(ITEMS, params={"search": "gardn chair"}))
    first = await client.get(ITEMS, params={"search": "gardn chair", "limit": 1})
    second = await client.get(ITEMS, params={"search": "gardn chair", "cursor": first.json()["next_cursor"]})

    assert whole[0] == "Garden chair"
    assert "Bench" not in whole
    assert names(first) + names(second) == whole


async def test_change_item_leaves_other_values(client: AsyncClient) -> None:
    item = await make_item(client, name="Chair", description="Old.", tags=["wood"], metadata={"color": "red"})

    changed = await client.patch(f"{ITEMS}/{item['id']}", json={"version": 1, "description": None, "metadata": {}})

    assert changed.status_code == 200
    assert changed.json() == {**item, "description": None, "metadata": {}, "version": 2, "updated_at": IsStr()}
    assert (await client.get(f"{ITEMS}/{item['id']}")).json() == changed.json()


@pytest.mark.parametrize("field", ["name", "tags", "metadata"])
async def test_change_item_cannot_remove_a_required_value(client: AsyncClient, field: str) -> None:
    item = await make_item(client)

    refused = await client.patch(f"{ITEMS}/{item['id']}", json={"version": 1, field: None})

    assert refused.status_code == 422
    assert refused.json()["field"] == f"body.{field}"


async def test_change_item_refuses_an_old_version(client: AsyncClient) -> None:
    item = await make_item(client)
    path = f"{ITEMS}/{item['id']}"
    await client.patch(path, json={"version": 1, "name": "Mine"})

    refused = await client.patch(path, json={"version": 1, "name": "Yours"})

    assert refused.status_code == 409
    assert refused.json()["error_code"] == "CONCURRENT_UPDATE"
    assert (await client.get(path)).json()["name"] == "Mine"


async def test_put_item_creates_then_replaces(client: AsyncClient) -> None:
    path = f"{ITEMS}/by-sku/CHAIR-042"

    made = await client.put(path, json={"name": "Chair", "tags": ["wood"], "metadata": {"color": "red"}})
    replaced = await client.put(path, json={"name": "Bench"})

    assert made.status_code == 201
    assert made.headers["Location"] == f"{ITEMS}/{made.json()['id']}"
    assert replaced.status_code == 200
    assert replaced.json() == {
        **made.json(),
        "name": "Bench",
        "tags": [],
        "metadata": {},
        "version": 2,
        "updated_at": IsStr(),
    }


@pytest.mark.parametrize("deleted", [True, False])
@pytest.mark.parametrize("method", ["GET", "PATCH", "DELETE"])
async def test_an_item_that_does_not_exist_is_not_found(client: AsyncClient, method: str, *, deleted: bool) -> None:
    item_id = (await make_item(client))["id"] if deleted else uuid4()
    if deleted:
        gone = await client.delete(f"{ITEMS}/{item_id}")
        assert (gone.status_code, gone.content) == (204, b"")

    missing = await client.request(method, f"{ITEMS}/{item_id}", json={"version": 1} if method == "PATCH" else None)

    assert missing.status_code == 404
    assert missing.json()["error_code"] == "NOT_FOUND"
    assert missing.json()["detail"] == f"Item {item_id} does not exist."


@pytest.mark.parametrize("version", [True, "1", 0, 2**31])
async def test_change_item_takes_a_whole_number_for_the_version(client: AsyncClient, version: object) -> None:
    path = f"{ITEMS}/{(await make_item(client))['id']}"

    answer = await client.patch(path, json={"version": version, "name": "Bench"})

    assert answer.status_code == 422
    assert answer.json()["field"] == "body.version"
