"""EventBus: a handler disturbs neither another one, nor the bus, nor a publisher."""

import asyncio

import pytest

from app.core import monitor
from app.core.logging import get_logger, log_context
from tests.buses import Counted, Recorder, running_bus, until_settled
from tests.logs import captured_log

pytestmark = pytest.mark.anyio


async def test_a_handler_that_raises_disturbs_no_other_and_is_reported_once() -> None:
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


async def test_a_handler_that_hangs_holds_up_no_other_and_is_cancelled_in_time() -> None:
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
    """A `CancelledError` of the handler's own making must not end the task that calls it."""
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


async def test_a_delivery_sees_its_own_request_and_nothing_of_another() -> None:
    """Neither of its subscriber or publisher, nor of the delivery before it."""
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
