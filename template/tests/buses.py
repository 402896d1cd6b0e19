"""Event buses and handlers for tests."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, ClassVar

from app.core.events import BaseEvent, EventBus


class Counted(BaseEvent):
    type: ClassVar[str] = "counted"
    number: int = 0


class Recorder:
    """A handler that notes the numbers it is given, and can be held up."""

    def __init__(self, *, held: bool = False) -> None:
        self.numbers: list[int] = []
        self.began: list[int] = []
        self.go = asyncio.Event()
        if not held:
            self.go.set()

    async def __call__(self, event: Counted) -> None:
        self.began.append(event.number)
        await self.go.wait()
        self.numbers.append(event.number)


@asynccontextmanager
async def running_bus(*, drain_seconds: float = 5, **limits: Any) -> AsyncIterator[EventBus]:
    """A bus that has been started, and is stopped with the block."""
    bus = EventBus(**limits)
    bus.start()
    try:
        yield bus
    finally:
        await bus.stop(drain_seconds)


async def until_settled(bus: EventBus) -> Counter[str]:
    """Return the counts when nothing is pending any more; a second is plenty for handlers that do nothing."""
    async with asyncio.timeout(5):
        while bus.counts["pending"]:  # noqa: ASYNC110 — the bus has no signal for it
            await asyncio.sleep(0.001)
    return bus.counts
