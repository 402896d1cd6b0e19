"""EventBus: the events that each handler gets, their order, and the bus keeping up."""

import asyncio
import random
import time
from contextlib import suppress

import pytest

from app.core.events import BaseEvent, EventBus, OverflowPolicy
from app.core.exceptions import EventBusException, EventRejectedError
from tests.buses import Counted, CountedTwice, Recorder, running_bus, until_settled
from tests.logs import captured_log

pytestmark = pytest.mark.anyio


async def test_publish_reaches_handlers_of_the_event_s_class_and_of_its_bases() -> None:
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


async def test_unsubscribe_drops_what_waits_and_lets_the_delivery_under_way_end() -> None:
    handler = Recorder(held=True)
    async with running_bus() as bus:
        unsubscribe = bus.subscribe(Counted, handler)
        for number in range(3):
            await bus.publish(Counted(number=number))
        await asyncio.sleep(0)
        unsubscribe()
        bus.unsubscribe(Counted, handler)
        await bus.publish(Counted(number=3))
        handler.go.set()
        stats = await until_settled(bus)

    # The one under way went on to its end.
    assert (handler.began, handler.numbers) == ([0], [0])
    assert (stats.offered, stats.delivered, stats.dropped) == (3, 1, 2)


async def test_subscribe_gives_handlers_of_higher_priority_an_event_first_and_none_waits() -> None:
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


async def test_publish_keeps_the_order_of_each_handler_s_events_one_at_a_time_under_load() -> None:
    """40 publishers, three handlers that take their random time: nothing lost, nothing twice, nothing overtaken."""
    chance = random.Random(7)  # noqa: S311 — the same every time
    published: list[int] = []
    seen: list[list[int]] = [[], [], []]
    at_work = [0, 0, 0]

    async with running_bus() as bus:
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
    assert (stats.published, stats.offered, stats.delivered) == (1000, 3000, 3000)


@pytest.mark.parametrize("writers", [2, 64])
async def test_the_bus_keeps_up_with_writers_that_take_turns_of_the_loop(writers: int) -> None:
    """Each writer works for some turns before it publishes, as a request does: nothing is refused or waits long."""
    waited: list[float] = []

    async def handler(event: Counted) -> None:
        waited.append(time.perf_counter() - float(str(event.metadata["at"])))

    async def write(bus: EventBus) -> None:
        for _ in range(100):
            for _ in range(12):
                sum(range(500))
                await asyncio.sleep(0)
            await bus.publish(Counted(metadata={"at": time.perf_counter()}))

    async with running_bus(queue_size=100) as bus:
        bus.subscribe(Counted, handler)
        await asyncio.gather(*(write(bus) for _ in range(writers)))
        assert bus.stats.pending <= writers
        stats = await until_settled(bus)

    assert (stats.delivered, stats.rejected) == (writers * 100, 0)
    assert max(waited) < 1


async def test_the_bus_leaves_the_loop_to_others_while_the_queue_of_a_quick_handler_is_long() -> None:
    turns = 0

    async def count_turns() -> None:
        nonlocal turns
        while True:
            await asyncio.sleep(0)
            turns += 1

    async def handler(_event: Counted) -> None:
        time.sleep(0.002)  # noqa: ASYNC251 — it computes

    async with running_bus() as bus:
        bus.subscribe(Counted, handler)
        for _ in range(50):
            await bus.publish(Counted())
        counting = asyncio.create_task(count_turns())
        await until_settled(bus)
        counting.cancel()

    assert turns >= 10


async def test_publish_refuses_another_event_loop_than_the_bus_s() -> None:
    handler = Recorder()
    async with running_bus() as bus:
        bus.subscribe(Counted, handler)
        loop = asyncio.get_running_loop()

        def elsewhere() -> None:
            with pytest.raises(EventBusException, match="another event loop"):
                asyncio.run(bus.publish(Counted(number=1)))
            asyncio.run_coroutine_threadsafe(bus.publish(Counted(number=2)), loop).result(5)

        await asyncio.to_thread(elsewhere)

    assert handler.numbers == [2]


@pytest.mark.parametrize("policy", ["reject", "drop_oldest"])
async def test_publish_to_a_full_queue_loses_by_the_policy_and_touches_no_other_handler(policy: OverflowPolicy) -> None:
    slow, other = Recorder(held=True), Recorder()
    refused = []
    with captured_log() as log:
        async with running_bus(policy=policy, queue_size=2) as bus:
            bus.subscribe(Counted, slow)
            bus.subscribe(Counted, other)
            for number in range(6):
                try:
                    await bus.publish(Counted(number=number))
                except EventRejectedError:
                    refused.append(number)
                # A handler that is quick is done with it before the next one comes.
                await asyncio.sleep(0.001)
            # One under way, two waiting.
            assert bus.stats.pending == 3
            slow.go.set()
            stats = await until_settled(bus)

    lost = {"reject": ([3, 4, 5], [0, 1, 2], 3, 0), "drop_oldest": ([], [0, 4, 5], 0, 3)}
    assert (refused, slow.numbers, stats.rejected, stats.dropped) == lost[policy]
    assert other.numbers == [0, 1, 2, 3, 4, 5]
    # One line for all of them, not one for each.
    assert (log.line["level"], log.line["policy"]) == ("warning", policy)
    assert log.line["event_handler"].endswith("Recorder")


async def test_publish_in_a_handler_keeps_the_request_and_leaves_the_loop_to_others() -> None:
    other = Recorder()
    requests = set()

    async with running_bus(queue_size=10, handler_timeout_seconds=0.05, drain_seconds=0) as bus:

        async def flood(event: Counted) -> None:
            requests.add(event.correlation_id)
            while event.number == 0:
                with suppress(EventRejectedError):
                    await bus.publish(Counted(number=1))

        bus.subscribe(Counted, flood)
        bus.subscribe(CountedTwice, other)
        with captured_log():
            await bus.publish(Counted(number=0, correlation_id="r-12345678"))
            await asyncio.sleep(0.01)
            with suppress(EventRejectedError):
                await bus.publish(CountedTwice(number=2))
            assert bus.stats.pending <= 13
            await asyncio.sleep(0.01)
            assert other.numbers == [2]
            await asyncio.sleep(0.1)

    assert requests == {"r-12345678"}
