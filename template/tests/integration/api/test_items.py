"""Items through the API, down to the database and back."""

import asyncio
import itertools
from typing import Any

import pytest
from dirty_equals import IsDatetime, IsStr, IsUUID
from fastapi import FastAPI
from httpx import AsyncClient, Response
from sqlalchemy import select, text
from sqlalchemy.ext.asyncio import AsyncConnection

from app.core.events import get_event_bus
from app.models.domain.item import ItemChange
from app.models.events.item import ItemChanged
from tests.buses import until_settled
from tests.clients import make_client, problem
from tests.factories import make_user
from tests.logs import at_most

pytestmark = pytest.mark.anyio

ITEMS = "/api/v1/items"
UNKNOWN = "019a8f3e-5f0c-7c3a-9d55-0b8f6f0f2a11"
CALLERS = 8

_numbers = itertools.count(1)


async def make_item(client: AsyncClient, **values: Any) -> dict[str, Any]:
    number = next(_numbers)
    response = await client.post(ITEMS, json={"sku": f"SKU-{number}", "name": f"Item {number}", **values})
    assert response.status_code == 201, response.text
    item: dict[str, Any] = response.json()
    return item


def names(response: Response) -> list[str]:
    assert response.status_code == 200, response.text
    return [item["name"] for item in response.json()["items"]]


async def test_create_item_returns_an_item_that_can_be_read(client: AsyncClient) -> None:
    given = {
        "sku": "CHAIR-042",
        "description": "Folds flat.",
        "tags": ["garden", "wood"],
        "metadata": {"color": "green", "legs": 4, "sizes": [1.5, None]},
    }
    created = await client.post(ITEMS, json={**given, "name": "  Garden chair "})

    assert created.status_code == 201
    assert created.json() == {
        **given,
        "id": IsUUID(),
        "name": "Garden chair",
        "version": 1,
        "created_at": IsDatetime(iso_string=True),
        "updated_at": IsDatetime(iso_string=True),
    }
    assert (await client.get(created.url.join(created.headers["Location"]))).json() == created.json()


@pytest.mark.parametrize(
    ("metadata", "rule"),
    [
        ("[" * 33 + "]" * 33, "must not be nested more than 32 levels deep"),
        ("1e400", "must not contain NaN or infinity, which JSON does not have"),
    ],
)
async def test_items_refuse_metadata_beyond_a_limit(metadata: str, rule: str, client: AsyncClient) -> None:
    content = '{"sku": "A-1", "name": "x", "metadata": {"a": ' + metadata + "}}"
    in_body = await client.post(ITEMS, content=content, headers={"Content-Type": "application/json"})
    in_query = await client.get(ITEMS, params={"metadata": f'{{"a": {metadata}}}'})

    for answer, field in ((in_body, "body.metadata"), (in_query, "query.metadata")):
        assert problem(answer, 422, "VALIDATION_ERROR")["errors"] == [{"field": field, "message": rule}]


async def test_list_items_pages_hold_every_item_once_newest_first(client: AsyncClient) -> None:
    made = [(await make_item(client))["name"] for _ in range(7)]

    seen: list[str] = []
    cursor: str | None = None
    for _ in range(4):
        page = await client.get(ITEMS, params={"limit": 2, **({"cursor": cursor} if cursor else {})})
        seen += names(page)
        cursor = page.json()["next_cursor"]
        await make_item(client, name="Newcomer, which shifts no page")

    assert cursor is None
    assert seen == made[::-1]


async def test_list_items_filters_by_tags_and_metadata_together(client: AsyncClient) -> None:
    await make_item(client, name="Both", tags=["wood", "garden"], metadata={"color": "green", "size": {"w": 2}})
    await make_item(client, name="Wood", tags=["wood"], metadata={"color": "red"})
    await make_item(client, name="Garden", tags=["garden"], metadata={"color": "green"})

    assert names(await client.get(ITEMS, params={"tag": "wood"})) == ["Wood", "Both"]
    green: dict[str, Any] = {"tag": "wood", "metadata": '{"color": "green"}'}
    for query in ({"tag": ["wood", "garden"]}, {"metadata": '{"size": {"w": 2}}'}, green):
        assert names(await client.get(ITEMS, params=query)) == ["Both"]


async def test_list_items_search_takes_wildcards_literally(client: AsyncClient) -> None:
    for name in ("Garden chair", "100% cotton"):
        await make_item(client, name=name)

    for words, found in (("chair", "Garden chair"), ("%", "100% cotton")):
        assert names(await client.get(ITEMS, params={"search": words})) == [found]


async def test_list_items_search_forgives_typing_errors_and_gives_the_closest_on_one_page(
    client: AsyncClient, transaction: AsyncConnection
) -> None:
    if not await transaction.scalar(text("SELECT 1 FROM pg_extension WHERE extname = 'pg_trgm'")):
        pytest.skip("this server has no pg_trgm; set TEST_DATABASE_URL to one that has")
    for name in ("Garden chair", "Garden chairs", "Chairman's gardening", "Bench"):
        await make_item(client, name=name)

    whole = names(await client.get(ITEMS, params={"search": "gardn chair"}))
    first = await client.get(ITEMS, params={"search": "gardn chair", "limit": 1})

    assert whole[0] == "Garden chair"
    assert "Bench" not in whole
    assert (names(first), first.json()["next_cursor"]) == (whole[:1], None)


async def test_change_item_leaves_other_values(client: AsyncClient) -> None:
    item = await make_item(client, name="Chair", description="Old.", tags=["wood"], metadata={"color": "red"})

    changed = await client.patch(f"{ITEMS}/{item['id']}", json={"version": 1, "description": None, "metadata": {}})

    assert changed.json() == {**item, "description": None, "metadata": {}, "version": 2, "updated_at": IsStr()}
    assert (await client.get(f"{ITEMS}/{item['id']}")).json() == changed.json()


async def test_put_item_creates_then_replaces(client: AsyncClient) -> None:
    path = f"{ITEMS}/by-sku/CHAIR-042"

    made = await client.put(path, json={"name": "Chair", "tags": ["wood"], "metadata": {"color": "red"}})
    replaced = await client.put(path, json={"name": "Bench"})

    assert (made.status_code, replaced.status_code) == (201, 200)
    assert made.url.join(made.headers["Location"]).path == f"{ITEMS}/{made.json()['id']}"
    new = {"name": "Bench", "tags": [], "metadata": {}, "version": 2, "updated_at": IsStr()}
    assert replaced.json() == {**made.json(), **new}


async def test_item_of_another_user_or_deleted_is_not_found(app: FastAPI, client: AsyncClient) -> None:
    item = await make_item(client, sku="CHAIR-042")
    path = f"{ITEMS}/{item['id']}"
    _, tokens = await make_user()

    async def is_not_found(caller: AsyncClient) -> None:
        for method, body in (("GET", None), ("PATCH", {"version": 1, "name": "Mine"}), ("DELETE", None)):
            missing = problem(await caller.request(method, path, json=body), 404, "NOT_FOUND")
            assert missing["detail"] == f"Item {item['id']} does not exist."

    async with make_client(app, tokens) as other:
        await is_not_found(other)
        assert names(await other.get(ITEMS)) == []
        assert (await other.put(f"{ITEMS}/by-sku/CHAIR-042", json={"name": "Mine"})).status_code == 201
    assert (await client.get(path)).json() == item
    assert (await client.delete(path)).status_code == 204
    await is_not_found(client)


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", ITEMS),
        ("POST", ITEMS),
        ("GET", f"{ITEMS}/{UNKNOWN}"),
        ("PATCH", f"{ITEMS}/{UNKNOWN}"),
        ("DELETE", f"{ITEMS}/{UNKNOWN}"),
        ("PUT", f"{ITEMS}/by-sku/CHAIR-042"),
    ],
)
async def test_every_route_of_items_needs_its_scope(
    app: FastAPI, anonymous: AsyncClient, method: str, path: str
) -> None:
    body = {"sku": "CHAIR-042", "name": "Chair", "version": 1} if method in {"POST", "PATCH", "PUT"} else None
    _, tokens = await make_user(scopes=["items:write" if method == "GET" else "items:read"])

    problem(await anonymous.request(method, path, json=body), 401, "AUTHENTICATION_FAILED")
    async with make_client(app, tokens) as client:
        problem(await client.request(method, path, json=body), 403, "PERMISSION_DENIED")


async def test_every_change_of_an_item_is_audited_and_published_once_in_order(
    client: AsyncClient, transaction: AsyncConnection
) -> None:
    told: list[ItemChanged] = []

    async def listen(event: ItemChanged) -> None:
        told.append(event)

    get_event_bus().subscribe(ItemChanged, listen)
    item = await make_item(client, sku="CHAIR-042")
    await client.patch(f"{ITEMS}/{item['id']}", json={"version": 1, "name": "Other", "tags": ["wood"]})
    await client.put(f"{ITEMS}/by-sku/CHAIR-042", json={"name": "Bench"})
    await client.delete(f"{ITEMS}/{item['id']}")
    created = (await client.put(f"{ITEMS}/by-sku/CHAIR-043", json={"name": "Bench"})).json()
    # None of these changes anything.
    await client.post(ITEMS, json={"sku": "CHAIR-043", "name": "Taken"})
    await client.patch(f"{ITEMS}/{created['id']}", json={"version": 9, "name": "Outdated"})
    await client.delete(f"{ITEMS}/{item['id']}")
    await until_settled(get_event_bus())
    get_event_bus().unsubscribe(ItemChanged, listen)

    content = ("name", "description", "tags", "attributes")
    changes = [("created", ()), ("changed", ("name", "tags")), ("changed", content), ("deleted", ())]
    assert [(event.action, event.changed) for event in told] == [*changes, ("created", ())]
    assert [str(event.item_id) for event in told] == [*[item["id"]] * 4, created["id"]]
    audit = (await transaction.execute(select(ItemChange).order_by(ItemChange.id))).all()
    assert [(row.action, row.item_id, row.request_id) for row in audit] == [
        (event.action, event.item_id, event.correlation_id) for event in told
    ]
    assert [tuple(row.changed) for row in audit] == [content, ("name", "tags"), content, (), content]


async def test_items_changed_by_many_at_once_lose_nothing(scratch_client: AsyncClient) -> None:
    path = f"{ITEMS}/{(await make_item(scratch_client))['id']}"
    names = [f"Caller {number}" for number in range(CALLERS)]

    changed = await asyncio.gather(*(scratch_client.patch(path, json={"version": 1, "name": name}) for name in names))
    made = await asyncio.gather(*(scratch_client.post(ITEMS, json={"sku": "ONE", "name": name}) for name in names))
    put = await asyncio.gather(*(scratch_client.put(f"{ITEMS}/by-sku/TWO", json={"name": name}) for name in names))

    for answers, code in ((changed, "CONCURRENT_UPDATE"), (made, "ALREADY_EXISTS")):
        (winner,) = (answer.json() for answer in answers if answer.is_success)
        assert (await scratch_client.get(f"{ITEMS}/{winner['id']}")).json() == winner
        assert [answer.json()["error_code"] for answer in answers if answer.is_error] == [code] * (CALLERS - 1)
    assert sorted(answer.status_code for answer in put) == [200] * (CALLERS - 1) + [201]
    assert len({answer.json()["id"] for answer in put}) == 1
    assert sorted(answer.json()["version"] for answer in put) == list(range(1, CALLERS + 1))


async def test_list_items_takes_no_statement_of_its_own_for_each(client: AsyncClient) -> None:
    for _ in range(3):
        await make_item(client)

    # One request every few seconds also asks which sessions have ended.
    with at_most(2):
        assert len(names(await client.get(ITEMS))) == 3
