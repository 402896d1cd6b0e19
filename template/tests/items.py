"""Making items for tests."""

import itertools
from typing import Any

from httpx import AsyncClient

_numbers = itertools.count(1)


async def make_item(client: AsyncClient, **values: Any) -> dict[str, Any]:
    """An item, made through the API."""
    number = next(_numbers)
    response = await client.post("/api/v1/items", json={"sku": f"SKU-{number}", "name": f"Item {number}", **values})
    assert response.status_code == 201, response.text
    item: dict[str, Any] = response.json()
    return item
