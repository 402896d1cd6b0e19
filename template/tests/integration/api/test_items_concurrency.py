"""Items changed by several callers at once, on connections of their own."""

import asyncio

import pytest
from httpx import AsyncClient

from tests.items import make_item

pytestmark = pytest.mark.anyio

ITEMS = "/api/v1/items"
CALLERS = 8


async def test_change_item_succeeds_once_of_many_from_one_version(scratch_client: AsyncClient) -> None:
    path = f"{ITEMS}/{(await make_item(scratch_client))['id']}"

    answers = await asyncio.gather(
        *(scratch_client.patch(path, json={"version": 1, "name": f"Caller {number}"}) for number in range(CALLERS))
    )

    assert sorted(answer.status_code for answer in answers) == [200] + [409] * (CALLERS - 1)
    winner = next(answer.json() for answer in answers if answer.status_code == 200)
    assert (await scratch_client.get(path)).json() == winner


async def test_create_item_succeeds_once_of_many_with_one_sku(scratch_client: AsyncClient) -> None:
    answers = await asyncio.gather(
        *(scratch_client.post(ITEMS, json={"sku": "ONE", "name": f"Caller {number}"}) for number in range(CALLERS))
    )

    assert sorted(answer.status_code for answer in answers) == [201] + [409] * (CALLERS - 1)


async def test_put_item_many_times_makes_one_item_and_counts_every_change(scratch_client: AsyncClient) -> None:
    answers = await asyncio.gather(
        *(scratch_client.put(f"{ITEMS}/by-sku/ONE", json={"name": f"Caller {number}"}) for number in range(CALLERS))
    )

    assert sorted(answer.status_code for answer in answers) == [200] * (CALLERS - 1) + [201]
    assert {answer.json()["id"] for answer in answers} == {answers[0].json()["id"]}
    assert sorted(answer.json()["version"] for answer in answers) == list(range(1, CALLERS + 1))
