"""Handlers that publish: what follows from what, and where it ends."""

import asyncio

import pytest

from app.core.exceptions import EventRejectedError
from tests.buses import Counted, CountedTwice, Recorder, running_bus, until_settled
from tests.logs import captured_log

pytestmark = pytest.mark.anyio


async def test_what_a_handler_publishes_belongs_to_the_same_request() -> None:
    follow_ups: list[CountedTwice] = []

    async with running_bus() as bus:

        async def first(event: Counted) -> None:
            if type(event) is Counted:
                await bus.publish(CountedTwice(number=event.number))

        async def second(event: CountedTwice) -> None:
            follow_ups.append(event)

        bus.subscribe(Counted, first)
        bus.subscribe(CountedTwice, second)
        await bus.publish(Counted(number=4, correlation_id="r-12345678"))

    assert [(event.number, event.correlation_id) for event in follow_ups] == [(4, "r-12345678")]


async def test_handlers_that_answer_each_other_for_ever_come_to_an_end() -> None:
    calls = 0

    async with running_bus() as bus:

        async def answer(event: Counted) -> None:
            nonlocal calls
            calls += 1
            await bus.publish(Counted(number=event.number + 1))

        bus.subscribe(Counted, answer)
        with captured_log() as log:
            await bus.publish(Counted())
            stats = await until_settled(bus)

    assert calls == 32
    assert (stats.published, stats.delivered, stats.failed) == (32, 31, 1)
    assert log.line["error"] == "EventRejectedError"
    assert "go in circles" in log.line["message"]


@pytest.mark.parametrize("policy", ["block", "drop_oldest", "reject"])
async def test_a_handler_that_publishes_without_end_is_bounded_and_blocks_nobody(policy: str) -> None:
    other = Recorder()

    async with running_bus(policy=policy, queue_size=10, handler_timeout_seconds=0.05, drain_seconds=0) as bus:

        async def flood(event: Counted) -> None:
            # Only the first floods, or its events would go on for 32 generations.
            while event.number == 0:
                await bus.publish(Counted(number=1))

        bus.subscribe(Counted, flood)
        bus.subscribe(CountedTwice, other)
        with captured_log():
            await bus.publish(Counted(number=0))
            await asyncio.sleep(0.01)
            await bus.publish(CountedTwice(number=2))
            assert bus.stats.pending <= 13
            await asyncio.sleep(0.01)
            assert other.numbers == [2]


async def test_two_handlers_that_fill_each_other_s_queues_do_not_wait_for_each_other() -> None:
    """With `block`, a handler that waited for room would hold up the very handler that could make some."""
    refused = 0

    async with running_bus(policy="block", queue_size=1, block_seconds=30, handler_timeout_seconds=30) as bus:

        async def refill(event: Counted) -> None:
            nonlocal refused
            for _ in range(3):
                try:
                    await bus.publish(Counted(number=event.number + 1))
                except EventRejectedError:
                    refused += 1

        bus.subscribe(Counted, refill)
        bus.subscribe(Counted, refill)
        with captured_log():
            await bus.publish(Counted())
            stats = await until_settled(bus)

    assert refused > 0
    assert stats.failed == 0
