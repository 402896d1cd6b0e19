"""Text, numbers and depth that JSON can spell and that could not be stored or read back."""

import json

import pytest
from httpx import AsyncClient

pytestmark = pytest.mark.anyio

ITEMS = "/api/v1/items"
JSON = {"Content-Type": "application/json"}
START = b'{"sku": "A-1", "name": '


@pytest.mark.parametrize(
    ("rest", "field"),
    [
        (rb'"\ud800"}', "body.name"),
        (rb'"x", "description": "a\udfffb"}', "body.description"),
        (rb'"x", "metadata": {"a": ["\ud800"]}}', "body.metadata"),
        (rb'"x", "metadata": {"\ud800": 1}}', "body.metadata"),
    ],
)
async def test_half_a_character_is_refused(rest: bytes, field: str, client: AsyncClient) -> None:
    answer = await client.post(ITEMS, content=START + rest, headers=JSON)

    assert answer.status_code == 422, answer.text
    assert answer.json()["field"] == field


@pytest.mark.parametrize(
    ("metadata", "rule"),
    [
        ("[" * 33 + "]" * 33, "must not be nested more than 32 levels deep"),
        ("9" * 400, "must not contain a number beyond 1.8e308, which readers would take for infinity"),
        ("1e400", "must not contain NaN or infinity, which JSON does not have"),
    ],
)
async def test_metadata_beyond_a_limit_is_refused_in_bodies_and_queries(
    metadata: str, rule: str, client: AsyncClient
) -> None:
    in_body = await client.post(ITEMS, content=START + b'"x", "metadata": {"a": %b}}' % metadata.encode(), headers=JSON)
    in_query = await client.get(ITEMS, params={"metadata": f'{{"a": {metadata}}}'})

    for answer, field in ((in_body, "body.metadata"), (in_query, "query.metadata")):
        assert answer.status_code == 422, answer.text
        assert [(each["field"], each["message"]) for each in answer.json()["errors"]] == [(field, rule)]


async def test_metadata_within_the_limits_is_read_back_as_it_is(client: AsyncClient) -> None:
    deep: object = "e\u0301"
    for _ in range(31):
        deep = [deep]
    metadata = {"deep": deep, "large": 10**308, "exact": 2**64 + 1, "small": 5e-324}

    made = await client.post(ITEMS, json={"sku": "A-1", "name": "x", "metadata": metadata})

    assert made.status_code == 201, made.text
    listed = (await client.get(ITEMS, params={"metadata": json.dumps({"deep": deep})})).json()["items"]
    assert [each["metadata"] for each in (made.json(), *listed)] == [metadata, metadata]


async def test_a_whole_character_in_two_halves_is_stored(client: AsyncClient) -> None:
    answer = await client.post(ITEMS, content=START + rb'"\ud83d\udc18"}', headers=JSON)

    assert answer.json()["name"] == "🐘"
