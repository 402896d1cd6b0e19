"""EventBus under load: 64 writers on one event loop."""

import asyncio
import time

import pytest

from app.core.events import EventBus
from tests.buses import Counted, running_bus, until_settled

pytestmark = pytest.mark.anyio


async def test_publish_of_many_writers_loses_overtakes_and_holds_up_nothing() -> None:
    """Each writer works for some turns of the loop before it publishes, as a request does."""
    published: list[int] = []
    seen: list[int] = []
    waited: list[float] = []
    at_work = 0

    async def handler(event: Counted) -> None:
        nonlocal at_work
        at_work += 1
        assert at_work == 1, "one at a time"
        if event.number % 97 == 0:
            await asyncio.sleep(0)
        waited.append(time.perf_counter() - float(str(event.metadata["at"])))
        seen.append(event.number)
        at_work -= 1

    async def write(bus: EventBus, writer: int) -> None:
        for number in range(writer * 100, writer * 100 + 100):
            for _ in range(12):
                sum(range(500))
                await asyncio.sleep(0)
            published.append(number)
            await bus.publish(Counted(number=number, metadata={"at": time.perf_counter()}))

    async with running_bus(queue_size=100) as bus:
        bus.subscribe(Counted, handler)
        await asyncio.gather(*(write(bus, writer) for writer in range(64)))
        counts = await until_settled(bus)

    assert seen == published
    assert (counts["published"], counts["delivered"], counts["rejected"]) == (6400, 6400, 0)
    assert max(waited) < 1
