"""Text that JSON can spell and PostgreSQL cannot store."""

import pytest
from httpx import AsyncClient

pytestmark = pytest.mark.anyio

ITEMS = "/api/v1/items"
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
    answer = await client.post(ITEMS, content=START + rest, headers={"Content-Type": "application/json"})

    assert answer.status_code == 422, answer.text
    assert answer.json()["field"] == field


async def test_a_whole_character_in_two_halves_is_stored(client: AsyncClient) -> None:
    answer = await client.post(ITEMS, content=START + rb'"\ud83d\udc18"}', headers={"Content-Type": "application/json"})

    assert answer.json()["name"] == "🐘"
