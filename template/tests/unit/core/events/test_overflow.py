"""What happens when a handler cannot keep up."""

import asyncio

import pytest

from app.core.events import EventBus
from app.core.exceptions import EventBusException, EventRejectedError
from tests.buses import Counted, Recorder, running_bus, until_settled
from tests.logs import captured_log

pytestmark = pytest.mark.anyio


async def publish(bus: EventBus, *numbers: int) -> list[int]:
    """Publish these; returns those that were refused."""
    refused = []
    for number in numbers:
        try:
            await bus.publish(Counted(number=number))
        except EventRejectedError:
            refused.append(number)
        # A handler that is quick is done with it before the next one comes.
        await asyncio.sleep(0.001)
    return refused


async def test_reject_refuses_what_finds_no_room_and_keeps_what_is_accepted() -> None:
    slow, other = Recorder(held=True), Recorder()
    with captured_log() as log:
        async with running_bus(policy="reject", queue_size=2) as bus:
            bus.subscribe(Counted, slow)
            bus.subscribe(Counted, other)
            # One under way, two waiting.
            assert await publish(bus, *range(6)) == [3, 4, 5]
            assert bus.stats.pending == 3
            slow.go.set()
            stats = await until_settled(bus)

    assert slow.numbers == [0, 1, 2]
    assert other.numbers == [0, 1, 2, 3, 4, 5]
    assert (stats.delivered, stats.rejected, stats.dropped) == (9, 3, 0)
    # One line for all of them, not one for each.
    assert (log.line["level"], log.line["what"]) == ("warning", "an event was rejected")
    assert log.line["event_handler"].endswith("Recorder")


async def test_drop_oldest_makes_room_for_the_newest() -> None:
    slow, other = Recorder(held=True), Recorder()
    with captured_log() as log:
        async with running_bus(policy="drop_oldest", queue_size=2) as bus:
            bus.subscribe(Counted, slow)
            bus.subscribe(Counted, other)
            assert await publish(bus, *range(6)) == []
            slow.go.set()
            stats = await until_settled(bus)

    assert slow.numbers == [0, 4, 5]
    assert other.numbers == [0, 1, 2, 3, 4, 5]
    assert (stats.delivered, stats.dropped, stats.rejected) == (9, 3, 0)
    assert log.line["what"] == "the oldest event was dropped"


async def test_block_makes_publishers_wait_in_their_order_and_loses_nothing() -> None:
    slow, other = Recorder(held=True), Recorder()
    async with running_bus(policy="block", queue_size=2) as bus:
        bus.subscribe(Counted, slow)
        bus.subscribe(Counted, other)
        await publish(bus, 0, 1, 2)
        publishers = [asyncio.create_task(publish(bus, number)) for number in (3, 4, 5)]
        # Others do not wait for the slow one.
        await asyncio.sleep(0.005)
        assert other.numbers == [0, 1, 2, 3, 4, 5]
        assert [task.done() for task in publishers] == [False] * 3
        assert bus.stats.pending == 6

        slow.go.set()
        assert await asyncio.gather(*publishers) == [[], [], []]
        stats = await until_settled(bus)

    assert slow.numbers == [0, 1, 2, 3, 4, 5]
    assert stats == (6, 12, 12, 0, 0, 0, 0)


async def test_nobody_overtakes_a_publisher_that_waits() -> None:
    slow = Recorder(held=True)
    async with running_bus(policy="block", queue_size=1) as bus:
        bus.subscribe(Counted, slow)
        await publish(bus, 0, 1)
        waiting = asyncio.create_task(publish(bus, 2))
        await asyncio.sleep(0)
        slow.go.set()
        # Room is being made in this very turn of the event loop.
        await asyncio.gather(waiting, publish(bus, 3), publish(bus, 4))
        await until_settled(bus)

    assert slow.numbers == [0, 1, 2, 3, 4]


async def test_block_waits_only_so_long_and_then_others_do_not_try() -> None:
    slow = Recorder(held=True)
    loop = asyncio.get_running_loop()
    with captured_log():
        async with running_bus(policy="block", queue_size=1, block_seconds=0.05) as bus:
            bus.subscribe(Counted, slow)
            await publish(bus, 0, 1)
            began = loop.time()
            assert await publish(bus, 2) == [2]
            assert 0.04 < loop.time() - began < 2

            began = loop.time()
            assert await publish(bus, *range(3, 23)) == list(range(3, 23))
            assert loop.time() - began < 0.5

            slow.go.set()
            await until_settled(bus)
            slow.go.clear()
            # The handler goes on, so waiting is worth it again.
            await publish(bus, 200, 201)
            waiting = asyncio.create_task(publish(bus, 202))
            await asyncio.sleep(0.005)
            slow.go.set()
            assert await waiting == []
            stats = await until_settled(bus)

    assert slow.numbers == [0, 1, 200, 201, 202]
    assert stats.rejected == 21


async def test_a_publisher_that_is_cancelled_leaves_its_place() -> None:
    slow = Recorder(held=True)
    async with running_bus(policy="block", queue_size=1) as bus:
        bus.subscribe(Counted, slow)
        await publish(bus, 0, 1)
        gone, stays = (asyncio.create_task(publish(bus, number)) for number in (2, 3))
        await asyncio.sleep(0)
        gone.cancel()
        await asyncio.gather(gone, return_exceptions=True)
        slow.go.set()
        await stays
        stats = await until_settled(bus)

    assert slow.numbers == [0, 1, 3]
    assert (stats.delivered, stats.dropped) == (3, 1)


async def test_publishers_that_wait_are_told_when_the_bus_stops() -> None:
    slow = Recorder(held=True)
    with captured_log():
        async with running_bus(policy="block", queue_size=1, drain_seconds=0.01) as bus:
            bus.subscribe(Counted, slow)
            await publish(bus, 0, 1)
            waiting = asyncio.create_task(bus.publish(Counted(number=2)))
            await asyncio.sleep(0)
    with pytest.raises(EventBusException, match="stopped while an event waited"):
        await waiting

    assert slow.numbers == []
    assert bus.stats == (3, 3, 0, 0, 3, 0, 0)
