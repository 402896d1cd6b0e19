"""BaseEvent and EventBus: the events that each handler gets, and that no handler disturbs another or a publisher."""

import asyncio
import time
from contextlib import nullcontext, suppress
from datetime import UTC, datetime, timedelta
from typing import ClassVar

import pytest

from app.core import monitor
from app.core.events import BaseEvent, EventBus
from app.core.exceptions import EventBusException
from app.core.logging import get_logger, log_context
from tests.buses import Counted, Recorder, running_bus, until_settled
from tests.logs import captured_log

pytestmark = pytest.mark.anyio


class CountedTwice(Counted):
    type: ClassVar[str] = "counted.twice"


def test_base_event_has_a_type_an_id_a_moment_and_its_request_and_does_not_change() -> None:
    before = datetime.now(UTC)
    with log_context(request_id="r-12345678"):
        event = Counted(number=3)

    assert before <= event.timestamp <= datetime.now(UTC)
    assert event.timestamp.utcoffset() == timedelta(0)
    assert (event.correlation_id, Counted().correlation_id) == ("r-12345678", None)
    ids = [Counted().id for _ in range(100)]
    assert ids == sorted({*ids}), "they grow with time"
    with pytest.raises(ValueError, match="frozen"):
        event.number = 4  # type: ignore[misc]


@pytest.mark.parametrize(
    ("name", "wrong"),
    [
        ("number", "3"),
        ("id", "Xq7planted"),
        ("metadata", {"row": object()}),
        ("unknown", "Xq7planted"),
        ("timestamp", datetime(2026, 11, 20)),  # noqa: DTZ001 — without a zone
    ],
)
def test_base_event_refuses_a_value_of_another_type_and_does_not_quote_it(name: str, wrong: object) -> None:
    with pytest.raises(ValueError, match=name) as caught:
        Counted(**{name: wrong})  # type: ignore[arg-type]

    assert "planted" not in str(caught.value)


async def test_publish_reaches_handlers_of_the_event_s_class_and_of_its_bases_by_priority() -> None:
    began: list[str] = []

    async with running_bus() as bus:
        for kind, priority in ((Counted, -1), (CountedTwice, 0), (BaseEvent, 5)):

            async def handler(event: BaseEvent, name: str = kind.__name__) -> None:
                began.append(f"{name} {event.type}")

            bus.subscribe(kind, handler, priority=priority)
        for event in (Counted(), CountedTwice()):
            await bus.publish(event)
            counts = await until_settled(bus)

    first, second = ["BaseEvent", "Counted"], ["BaseEvent", "CountedTwice", "Counted"]
    assert began == [*(f"{name} counted" for name in first), *(f"{name} counted.twice" for name in second)]
    assert (counts["published"], counts["delivered"]) == (2, 5)


async def test_a_quick_handler_with_a_long_queue_leaves_the_loop_to_others() -> None:
    async def handler(_event: Counted) -> None:
        time.sleep(0.002)  # noqa: ASYNC251 — it computes

    turns = 0
    async with running_bus() as bus:
        bus.subscribe(Counted, handler)
        for _ in range(50):
            await bus.publish(Counted())
        while bus.counts["pending"]:
            await asyncio.sleep(0)
            turns += 1

    assert turns >= 3


async def test_publish_to_a_full_queue_is_refused_and_touches_no_other_handler() -> None:
    slow, other = Recorder(held=True), Recorder()
    async with running_bus(queue_size=2) as bus:
        bus.subscribe(Counted, slow)
        bus.subscribe(Counted, other)
        for number in range(6):
            # One is under way, two wait.
            with pytest.raises(EventBusException, match="Recorder") if number > 2 else nullcontext():
                await bus.publish(Counted(number=number))
            await asyncio.sleep(0.001)
        slow.go.set()

    assert (slow.numbers, other.numbers) == ([0, 1, 2], [0, 1, 2, 3, 4, 5])
    assert (bus.counts["rejected"], bus.counts["delivered"]) == (3, 9)


async def test_a_handler_that_raises_hangs_or_is_cancelled_disturbs_no_other_and_is_reported() -> None:
    async def broken(event: Counted) -> None:
        match event.number:
            case 0:
                raise RuntimeError("password=Xq7planted")
            case 1:
                await asyncio.Event().wait()
            case 2:
                # A `CancelledError` of its own making.
                task = asyncio.create_task(asyncio.sleep(10))
                task.cancel()
                await task

    other = Recorder()
    with captured_log() as log:
        async with running_bus(handler_timeout_seconds=0.05) as bus:
            bus.subscribe(Counted, broken, priority=1)
            bus.subscribe(Counted, other)
            for number in range(4):
                await bus.publish(Counted(number=number, correlation_id="r-12345678"))
            await asyncio.sleep(0.01)
            assert other.numbers == [0, 1, 2, 3]
            counts = await until_settled(bus)

    assert (counts["delivered"], counts["failed"]) == (5, 3)
    assert [line["error"] for line in log.lines] == ["RuntimeError", "TimeoutError", "CancelledError"]
    for line in log.lines:
        assert (line["level"], line["event_type"], line["request_id"]) == ("error", "counted", "r-12345678")
        assert line["event_handler"].endswith("broken")
    assert "planted" not in log.text


async def test_a_handler_sees_its_own_request_and_nothing_of_its_publisher_or_the_delivery_before() -> None:
    logger = get_logger("tests")

    async def handler(event: Counted) -> None:
        logger.info("handled", number=event.number)
        if event.number == 0:
            monitor.set_user("ada")
            log_context(left_behind="value").__enter__()
            logger.info("known")

    with captured_log() as log:
        async with running_bus() as bus:
            bus.subscribe(Counted, handler)
            with monitor.scope(), log_context(request_id="publisher", other="value"):
                monitor.set_user("publisher")
                await bus.publish(Counted(number=0, correlation_id="r-00000000"))
                await bus.publish(Counted(number=1, correlation_id=None))

    first, known, second = log.lines
    assert (first["request_id"], first["event_type"]) == ("r-00000000", "counted")
    assert {"user_id", "other"}.isdisjoint(first)
    assert known["user_id"] == "ada"
    assert {"request_id", "user_id", "other", "left_behind"}.isdisjoint(second)


async def test_publish_before_start_after_stop_or_in_another_loop_is_an_error() -> None:
    bus = EventBus()
    bus.subscribe(Counted, Recorder())
    with pytest.raises(EventBusException, match="not running in this event loop: counted"):
        await bus.publish(Counted())
    bus.start()
    with pytest.raises(EventBusException, match="not running in this event loop"):
        await asyncio.to_thread(lambda: asyncio.run(bus.publish(Counted())))
    await bus.publish(Counted())
    await bus.stop(1)
    with pytest.raises(EventBusException, match="not running"):
        await bus.publish(Counted())

    assert (bus.counts["published"], bus.counts["delivered"]) == (1, 1)


async def test_stop_waits_for_what_is_published_and_for_what_handlers_publish_meanwhile() -> None:
    handler = Recorder(held=True)

    async with running_bus() as bus:

        async def first(event: Counted) -> None:
            await handler(event)
            if event.number == 0:
                await bus.publish(Counted(number=3))

        bus.subscribe(Counted, first)
        for number in range(3):
            await bus.publish(Counted(number=number))
        stopping = asyncio.create_task(bus.stop(5))
        await asyncio.sleep(0)
        handler.go.set()
        await stopping

    assert handler.numbers == [0, 1, 2, 3]


async def test_stop_gives_up_after_its_time_logs_what_is_lost_and_waits_for_no_immortal_handler(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("app.core.events._CANCEL_SECONDS", 0.05)
    handler, release = Recorder(held=True), asyncio.Event()

    async def immortal(_event: Counted) -> None:
        while not release.is_set():
            with suppress(asyncio.CancelledError):
                await release.wait()

    began = time.monotonic()
    with captured_log() as log:
        async with running_bus(drain_seconds=0.02) as bus:
            bus.subscribe(Counted, handler)
            bus.subscribe(Counted, immortal)
            for number in range(3):
                await bus.publish(Counted(number=number))
        assert time.monotonic() - began < 3
        release.set()
        counts = await until_settled(bus)

    assert handler.numbers == []
    assert (counts["published"], counts["delivered"], counts["failed"], counts["dropped"]) == (3, 1, 1, 4)
    assert (log.lines[0]["event"], log.lines[0]["count"]) == ("events were given up", 6)
