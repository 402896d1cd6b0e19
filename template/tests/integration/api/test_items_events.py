"""Events of items, and their audit log."""

import pytest
from httpx import AsyncClient

from app.core.events import get_event_bus
from app.models.events.item import ItemChanged, ItemEvent
from tests.buses import until_settled
from tests.items import make_item
from tests.logs import captured_log

pytestmark = pytest.mark.anyio

ITEMS = "/api/v1/items"


async def test_item_events_tell_every_change_once_in_order(client: AsyncClient) -> None:
    told: list[ItemEvent] = []

    async def listen(event: ItemEvent) -> None:
        told.append(event)

    unsubscribe = get_event_bus().subscribe(ItemEvent, listen)
    with captured_log() as log:
        item = await make_item(client, sku="CHAIR-042")
        await client.patch(f"{ITEMS}/{item['id']}", json={"version": 1, "name": "Other", "tags": ["wood"]})
        await client.put(f"{ITEMS}/by-sku/CHAIR-042", json={"name": "Bench"})
        created = (await client.put(f"{ITEMS}/by-sku/CHAIR-043", json={"name": "Bench"})).json()
        await client.delete(f"{ITEMS}/{item['id']}")
        # None of these changes anything.
        await client.post(ITEMS, json={"sku": "CHAIR-043", "name": "Taken"})
        await client.patch(f"{ITEMS}/{created['id']}", json={"version": 9, "name": "Outdated"})
        await client.delete(f"{ITEMS}/{item['id']}")
        await client.get(ITEMS)
        await until_settled(get_event_bus())
    unsubscribe()

    assert [(event.type, str(event.item_id)) for event in told] == [
        ("item.created", item["id"]),
        ("item.changed", item["id"]),
        ("item.changed", item["id"]),
        ("item.created", created["id"]),
        ("item.deleted", item["id"]),
    ]
    changes = [(event.item_version, event.changed) for event in told if isinstance(event, ItemChanged)]
    assert changes == [(2, ("name", "tags")), (3, ("name", "description", "tags", "attributes"))]
    audit = log.events("audit")
    assert [(line["action"], line["item_id"]) for line in audit] == [(e.type, str(e.item_id)) for e in told]
    assert [line["request_id"] for line in audit] == [event.correlation_id for event in told]
    assert len({event.correlation_id for event in told}) == 5
