"""EventBus: start and stop."""

import asyncio
import random
from functools import partial

import pytest

from app.core import events
from app.core.events import EventBus, OverflowPolicy, get_event_bus
from app.core.exceptions import ConfigurationError, EventBusException, EventRejectedError
from app.core.process import open_process
from tests.buses import Counted, Recorder, running_bus, until_settled
from tests.logs import captured_log

pytestmark = pytest.mark.anyio


async def test_publish_before_start_and_after_stop_is_an_error() -> None:
    bus = EventBus()
    bus.subscribe(Counted, Recorder())
    with pytest.raises(EventBusException, match="not running, so counted was not published; publish between"):
        await bus.publish(Counted())
    bus.start()
    await bus.publish(Counted())
    await bus.stop(1)
    with pytest.raises(EventBusException, match="not running"):
        await bus.publish(Counted())

    assert (bus.stats.published, bus.stats.delivered) == (1, 1)


async def test_start_is_called_once_and_never_after_stop() -> None:
    async with running_bus() as bus:
        with pytest.raises(EventBusException, match="starts once"):
            bus.start()
    await bus.stop(1)
    with pytest.raises(EventBusException, match="starts once"):
        bus.start()
    never = EventBus()
    await never.stop(1)
    with pytest.raises(EventBusException, match="starts once"):
        never.start()


async def test_stop_waits_for_what_is_published_and_no_longer() -> None:
    handler = Recorder(held=True)
    loop = asyncio.get_running_loop()
    async with running_bus(drain_seconds=5) as bus:
        bus.subscribe(Counted, handler)
        for number in range(20):
            await bus.publish(Counted(number=number))
        loop.call_later(0.02, handler.go.set)
        began = loop.time()

    assert loop.time() - began < 2
    assert handler.numbers == list(range(20))
    assert bus.stats.pending == 0


async def test_stop_lets_handlers_alone_publish_while_the_bus_drains() -> None:
    handler = Recorder(held=True)

    async with running_bus() as bus:

        async def first(event: Counted) -> None:
            await handler(event)
            if event.number == 0:
                await bus.publish(Counted(number=1))

        bus.subscribe(Counted, first)
        await bus.publish(Counted(number=0))
        stopping = asyncio.create_task(bus.stop(5))
        await asyncio.sleep(0)
        with pytest.raises(EventBusException, match="not running"):
            await bus.publish(Counted(number=2))
        handler.go.set()
        await stopping

    assert handler.numbers == [0, 1]


async def test_stop_gives_up_after_its_time_and_logs_what_is_lost() -> None:
    handler = Recorder(held=True)
    loop = asyncio.get_running_loop()
    with captured_log() as log:
        async with running_bus(drain_seconds=0.02) as bus:
            bus.subscribe(Counted, handler)
            for number in range(3):
                await bus.publish(Counted(number=number))
            await asyncio.sleep(0)
            began = loop.time()

    assert 0.01 < loop.time() - began < 0.8
    assert (handler.began, handler.numbers) == ([0], [])
    assert (bus.stats.published, bus.stats.dropped, bus.stats.pending) == (3, 3, 0)
    assert (log.line["event"], log.line["count"]) == ("events were given up", 3)


@pytest.mark.parametrize("numbers", [[1], []])
async def test_stop_waits_for_a_delivery_whose_handler_was_unsubscribed_and_no_longer(numbers: list[int]) -> None:
    handler = Recorder(held=True)
    with captured_log():
        async with running_bus(drain_seconds=5 if numbers else 0.01) as bus:
            unsubscribe = bus.subscribe(Counted, handler)
            await bus.publish(Counted(number=1))
            await asyncio.sleep(0)
            unsubscribe()
            if numbers:
                asyncio.get_running_loop().call_later(0.02, handler.go.set)

    assert bus.stats.pending == 0
    assert (handler.began, handler.numbers) == ([1], numbers)


async def test_stop_ends_in_spite_of_a_handler_that_ignores_its_cancellation(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(events.bus, "_CANCEL_SECONDS", 0.05)
    release = asyncio.Event()

    async def immortal(_event: Counted) -> None:
        while not release.is_set():
            try:
                await release.wait()
            except asyncio.CancelledError:
                continue

    loop = asyncio.get_running_loop()
    # Or it would outlive even the test, should that fail.
    loop.call_later(5, release.set)
    with captured_log() as log:
        async with running_bus(drain_seconds=0.01) as bus:
            bus.subscribe(Counted, immortal)
            await bus.publish(Counted())
            await asyncio.sleep(0)
            began = loop.time()
        took = loop.time() - began
        release.set()
        await until_settled(bus)

    assert took < 3
    (line,) = log.events("event handlers ignore their cancellation")
    assert line["event_handlers"][0].endswith("immortal")


@pytest.mark.parametrize("policy", ["drop_oldest", "reject"])
@pytest.mark.parametrize("seed", range(5))
async def test_stats_add_up_however_the_bus_ends(policy: OverflowPolicy, seed: int) -> None:
    """Publishers, handlers that fail, hang and take their time, and a stop in the middle of it all."""
    chance = random.Random(seed)  # noqa: S311 — the same every time
    ended, refused, published = [0], [0], [0]
    bus = EventBus(policy=policy, queue_size=4, handler_timeout_seconds=0.01)

    async def handler(_event: Counted) -> None:
        fate = chance.random()
        if fate < 0.05:
            await asyncio.sleep(10)
        if fate < 0.3:
            await asyncio.sleep(0.0005)
        if fate < 0.4:
            raise RuntimeError
        ended[0] += 1

    async def publish() -> None:
        for number in range(200):
            try:
                await bus.publish(Counted(number=number))
            except EventRejectedError:
                refused[0] += 1
            except EventBusException:
                return
            published[0] += 1
            if chance.random() < 0.2:
                await asyncio.sleep(0)

    with captured_log():
        for _ in range(3):
            bus.subscribe(Counted, handler)
        bus.start()
        publishers = [asyncio.create_task(publish()) for _ in range(5)]
        await asyncio.sleep(0.03)
        async with asyncio.timeout(3):
            await bus.stop(0.02)
            await asyncio.gather(*publishers)

    stats = bus.stats
    assert stats.published >= published[0] > 0
    assert stats.offered == 3 * stats.published
    assert stats.delivered == ended[0]
    assert stats.pending == 0
    assert stats.offered == stats.delivered + stats.failed + stats.dropped + stats.rejected + stats.pending
    assert refused[0] <= stats.rejected
    assert (policy != "drop_oldest") or stats.rejected == 0


async def test_get_event_bus_returns_the_process_s_only_bus(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.core.process._open", [])
    with pytest.raises(ConfigurationError, match="no EventBus"):
        get_event_bus()
    async with open_process() as process:
        bus = EventBus()
        process.add(bus, close=partial(bus.stop, drain_seconds=1))
        bus.start()
        assert get_event_bus() is bus
        with pytest.raises(ConfigurationError, match="already"):
            process.add(EventBus())
    with pytest.raises(EventBusException, match="not running"):
        await bus.publish(Counted())
    with pytest.raises(ConfigurationError, match="no EventBus"):
        get_event_bus()
