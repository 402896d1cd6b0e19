"""Who gets which event, in which order, and what handlers cannot do to each other."""

import asyncio
import random

import pytest

from app.core import monitor
from app.core.events import BaseEvent, EventBus
from app.core.exceptions import EventBusException, EventRejectedError
from app.core.logging import get_logger, log_context
from tests.buses import Counted, CountedTwice, Recorder, running_bus, until_settled
from tests.logs import captured_log

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


async def test_a_handler_that_raises_disturbs_nobody_and_is_reported_once() -> None:
    async def broken(event: Counted) -> None:
        if event.number % 2:
            raise RuntimeError("password=Xq7planted")

    other = Recorder()
    with captured_log() as log:
        async with running_bus() as bus:
            bus.subscribe(Counted, broken, priority=1)
            bus.subscribe(Counted, other)
            for number in range(4):
                await bus.publish(Counted(number=number, correlation_id="r-12345678"))
            stats = await until_settled(bus)

    assert other.numbers == [0, 1, 2, 3]
    assert (stats.delivered, stats.failed) == (6, 2)
    assert len(log.lines) == 2
    line = log.lines[0]
    assert (line["level"], line["error"], line["event_type"]) == ("error", "RuntimeError", "counted")
    assert line["event_handler"].endswith("broken")
    assert line["request_id"] == "r-12345678"
    assert "planted" not in log.text


async def test_a_handler_that_hangs_holds_up_nobody_and_is_cancelled_in_time() -> None:
    async def hanging(event: Counted) -> None:
        if event.number == 0:
            await asyncio.Event().wait()

    other = Recorder()
    with captured_log() as log:
        async with running_bus(handler_timeout_seconds=0.02) as bus:
            bus.subscribe(Counted, hanging, priority=1)
            bus.subscribe(Counted, other)
            await bus.publish(Counted(number=0))
            await bus.publish(Counted(number=1))
            await asyncio.sleep(0.005)
            assert other.numbers == [0, 1]
            stats = await until_settled(bus)

    assert (stats.delivered, stats.failed) == (3, 1)
    assert log.line["error"] == "TimeoutError"
    assert "0.02 s" in log.line["message"]


async def test_a_handler_that_swallows_its_timeout_has_failed() -> None:
    async def stubborn(_event: Counted) -> None:
        try:
            await asyncio.sleep(10)
        except asyncio.CancelledError:
            return

    with captured_log() as log:
        async with running_bus(handler_timeout_seconds=0.01) as bus:
            bus.subscribe(Counted, stubborn)
            await bus.publish(Counted())
            stats = await until_settled(bus)

    assert (stats.delivered, stats.failed) == (0, 1)
    assert log.line["error"] == "TimeoutError"


async def test_a_handler_whose_own_work_is_cancelled_fails_and_goes_on() -> None:
    """A `CancelledError` that nobody sent to the handler must not end what calls it."""
    numbers = []

    async def handler(event: Counted) -> None:
        numbers.append(event.number)
        task = asyncio.create_task(asyncio.sleep(10))
        task.cancel()
        await task

    with captured_log() as log:
        async with running_bus() as bus:
            bus.subscribe(Counted, handler)
            await bus.publish(Counted(number=1))
            await bus.publish(Counted(number=2))
            stats = await until_settled(bus)

    assert numbers == [1, 2]
    assert stats.failed == 2
    assert {line["error"] for line in log.lines} == {"CancelledError"}


async def test_a_handler_s_own_timeout_is_not_taken_for_the_bus_s() -> None:
    async def impatient(_event: Counted) -> None:
        async with asyncio.timeout(0.001):
            await asyncio.sleep(10)

    with captured_log() as log:
        async with running_bus() as bus:
            bus.subscribe(Counted, impatient)
            await bus.publish(Counted())
            await until_settled(bus)

    assert "was cancelled after" not in log.line["message"]


async def test_a_delivery_sees_its_own_request_and_nothing_of_another() -> None:
    """Neither of whoever subscribed or published, nor of the delivery before it."""
    logger = get_logger("tests")

    async def handler(event: Counted) -> None:
        logger.info("handled", number=event.number)
        if event.number == 0:
            monitor.set_user("ada")
            monitor.add_breadcrumb("before")
            log_context(left_behind="value").__enter__()
            logger.info("known")
        else:
            monitor.capture_message("second")

    with captured_log() as log:
        async with running_bus() as bus:
            with monitor.scope(), log_context(request_id="subscriber", other="value"):
                monitor.set_user("subscriber")
                bus.subscribe(Counted, handler)
            with monitor.scope(), log_context(request_id="publisher", other="value"):
                monitor.set_user("publisher")
                await bus.publish(Counted(number=0, correlation_id="r-00000000"))
                await bus.publish(Counted(number=1, correlation_id=None))
            await until_settled(bus)

    first, known, second, message = log.lines
    assert first["request_id"] == "r-00000000"
    assert (first["event_type"], first["event_handler"][-7:]) == ("counted", "handler")
    assert {"user_id", "other"}.isdisjoint(first)
    assert known["user_id"] == "ada"
    assert {"request_id", "user_id", "other", "left_behind"}.isdisjoint(second)
    assert "breadcrumbs" not in message


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
