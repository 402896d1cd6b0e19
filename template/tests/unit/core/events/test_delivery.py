"""Who gets which event, and in which order."""

import asyncio
import random

import pytest

from app.core.events import BaseEvent, EventBus
from app.core.exceptions import EventBusException
from tests.buses import Counted, CountedTwice, Recorder, running_bus, until_settled

pytestmark = pytest.mark.anyio


async def test_a_handler_gets_the_events_of_its_class_and_of_subclasses() -> None:
    every: list[str] = []
    counted, twice = Recorder(), Recorder()

    async def take_every(event: BaseEvent) -> None:
        every.append(event.type)

    async with running_bus() as bus:
        bus.subscribe(BaseEvent, take_every)
        bus.subscribe(Counted, counted)
        bus.subscribe(CountedTwice, twice)
        await bus.publish(Counted(number=1))
        await bus.publish(CountedTwice(number=2))
        stats = await until_settled(bus)

    assert every == ["counted", "counted.twice"]
    assert (counted.numbers, twice.numbers) == ([1, 2], [2])
    assert (stats.published, stats.offered, stats.delivered) == (2, 5, 5)


async def test_an_event_without_handlers_is_published_all_the_same() -> None:
    async with running_bus() as bus:
        await bus.publish(Counted())
        assert bus.stats == (1, 0, 0, 0, 0, 0, 0)


async def test_nothing_is_delivered_after_unsubscribing() -> None:
    handler = Recorder(held=True)
    async with running_bus() as bus:
        unsubscribe = bus.subscribe(Counted, handler)
        for number in range(3):
            await bus.publish(Counted(number=number))
        await asyncio.sleep(0)
        unsubscribe()
        unsubscribe()
        await bus.publish(Counted(number=3))
        handler.go.set()
        stats = await until_settled(bus)

    # The one under way went on to its end.
    assert (handler.began, handler.numbers) == ([0], [0])
    assert (stats.offered, stats.delivered, stats.dropped) == (3, 1, 2)


async def test_stopping_waits_for_a_delivery_whose_handler_was_unsubscribed() -> None:
    handler = Recorder(held=True)
    async with running_bus() as bus:
        unsubscribe = bus.subscribe(Counted, handler)
        await bus.publish(Counted(number=1))
        await asyncio.sleep(0)
        unsubscribe()
        asyncio.get_running_loop().call_later(0.02, handler.go.set)

    assert handler.numbers == [1]


async def test_a_handler_that_subscribes_later_gets_what_is_published_later() -> None:
    early, late = Recorder(), Recorder()
    async with running_bus() as bus:
        bus.subscribe(Counted, early)
        await bus.publish(Counted(number=1))
        bus.subscribe(Counted, late)
        await bus.publish(Counted(number=2))

    assert (early.numbers, late.numbers) == ([1, 2], [2])


async def test_handlers_begin_in_order_of_priority_and_wait_for_nobody() -> None:
    began: list[str] = []
    hold = asyncio.Event()

    async with running_bus() as bus:
        for name, priority in [("low", -1), ("first", 0), ("high", 5), ("second", 0)]:

            async def handler(_event: Counted, name: str = name) -> None:
                began.append(name)
                if name == "high":
                    await hold.wait()

            bus.subscribe(Counted, handler, priority=priority)
        await bus.publish(Counted())
        await asyncio.sleep(0.01)
        assert began == ["high", "first", "second", "low"]
        hold.set()


async def test_each_handler_gets_its_events_in_order_one_at_a_time_under_load() -> None:
    """40 publishers, three handlers that take their random time: nothing lost, nothing twice, nothing overtaken."""
    chance = random.Random(7)  # noqa: S311 — the same every time
    published: list[int] = []
    seen: list[list[int]] = [[], [], []]
    at_work = [0, 0, 0]

    async with running_bus(queue_size=8, policy="block") as bus:
        for which in range(3):

            async def handler(event: Counted, which: int = which) -> None:
                at_work[which] += 1
                assert at_work[which] == 1
                if chance.random() < 0.1:
                    await asyncio.sleep(0.0005)
                seen[which].append(event.number)
                at_work[which] -= 1

            bus.subscribe(Counted, handler)

        async def publish(publisher: int) -> None:
            for each in range(25):
                number = publisher * 100 + each
                # Nothing comes between this line and the queue.
                published.append(number)
                await bus.publish(Counted(number=number))

        async with asyncio.timeout(10):
            await asyncio.gather(*(publish(publisher) for publisher in range(40)))
        stats = await until_settled(bus)

    assert seen == [published] * 3
    assert stats == (1000, 3000, 3000, 0, 0, 0, 0)


async def test_a_thousand_events_take_no_time() -> None:
    """Some 30 µs each on a slow machine; the limit is 2 ms."""
    handler = Recorder()
    async with running_bus() as bus:
        bus.subscribe(Counted, handler)
        async with asyncio.timeout(2):
            for number in range(1000):
                await bus.publish(Counted(number=number))
            await until_settled(bus)

    assert handler.numbers == list(range(1000))


async def test_a_bus_belongs_to_its_event_loop() -> None:
    handler = Recorder()
    async with running_bus() as bus:
        bus.subscribe(Counted, handler)
        loop = asyncio.get_running_loop()

        def elsewhere() -> None:
            with pytest.raises(EventBusException, match="another event loop"):
                asyncio.run(bus.publish(Counted(number=1)))
            with pytest.raises(EventBusException, match="another event loop"):
                bus.subscribe(Counted, handler)
            asyncio.run_coroutine_threadsafe(bus.publish(Counted(number=2)), loop).result(5)

        await asyncio.to_thread(elsewhere)

    assert handler.numbers == [2]


@pytest.mark.parametrize("wrong", ["queue_size", "block_seconds", "handler_timeout_seconds"])
def test_limits_are_positive(wrong: str) -> None:
    with pytest.raises(ValueError, match="must be greater than 0"):
        EventBus(**{wrong: 0})  # type: ignore[arg-type]
