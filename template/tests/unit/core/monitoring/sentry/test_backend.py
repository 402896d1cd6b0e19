"""What every place for reports must do holds for Sentry, too; and how it becomes events and spans."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from app.core.monitoring import Monitor
from app.core.monitoring.sentry import spans
from tests.logs import captured_log
from tests.servers.sentry import SentryServer, sentry_server
from tests.unit.core.monitoring.sentry.monitors import monitoring

# The contract, with the `monitor` of this module.
from tests.unit.core.monitoring.test_backends import (
    test_no_call_raises_within_a_request_or_outside_of_one,  # noqa: F401
    test_what_is_traced_may_fail_and_wait,  # noqa: F401
)

pytestmark = pytest.mark.anyio


@pytest.fixture
async def sentry() -> AsyncIterator[SentryServer]:
    async with sentry_server() as sentry:
        yield sentry


@pytest.fixture
async def monitor(sentry: SentryServer) -> AsyncIterator[Monitor]:
    async with monitoring(sentry.url) as monitor:
        yield monitor


async def test_an_error_that_was_never_raised_is_reported_without_a_traceback(sentry: SentryServer) -> None:
    async with monitoring(sentry.url) as monitor:
        monitor.capture_exception(KeyError("x"), context={"n": 1})

    (error,) = sentry.event["exception"]["values"]
    assert (error["type"], error["value"], "stacktrace" in error) == ("KeyError", "'x'", False)
    assert sentry.event["extra"] == {"n": 1}
    assert "user" not in sentry.event


async def test_each_error_of_a_group_is_there_and_a_cycle_ends(sentry: SentryServer) -> None:
    first, second = ValueError("first"), ValueError("second")
    first.__cause__, second.__cause__ = second, first
    async with monitoring(sentry.url) as monitor:
        monitor.capture_exception(ExceptionGroup("several", [first, OSError("third")]))

    values = {each["value"].partition(" (")[0] for each in sentry.event["exception"]["values"]}
    assert values == {"first", "second", "third", "several"}


async def test_how_traces_end_and_what_they_were_part_of(sentry: SentryServer) -> None:
    async def part(monitor: Monitor, name: str) -> None:
        with monitor.trace(name):
            await asyncio.sleep(0.01)

    async def fail(monitor: Monitor) -> None:
        with monitor.trace("failed"):
            await asyncio.gather(part(monitor, "a"), part(monitor, "b"))
            raise KeyError

    async def wait(monitor: Monitor) -> None:
        with monitor.trace("cancelled"):
            await asyncio.sleep(60)

    async with monitoring(sentry.url) as monitor:
        with pytest.raises(KeyError):
            await fail(monitor)
        task = asyncio.create_task(wait(monitor))
        await asyncio.sleep(0)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    failed, cancelled = sentry.transactions
    trace = failed["contexts"]["trace"]
    assert (failed["transaction"], trace["status"]) == ("failed", "internal_error")
    assert cancelled["contexts"]["trace"]["status"] == "cancelled"
    assert {(span["description"], span["parent_span_id"]) for span in failed["spans"]} == {
        ("a", trace["span_id"]),
        ("b", trace["span_id"]),
    }


async def test_what_is_within_a_trace_shares_its_fate(sentry: SentryServer) -> None:
    async with monitoring(sentry.url, sample_rate=0.5) as monitor:
        for _ in range(40):
            with monitor.trace("outer"), monitor.trace("inner"):
                pass

    # Were each chosen by itself, one in four would be there without the other.
    assert 0 < len(sentry.transactions) < 40
    assert all(each["transaction"] == "outer" and len(each["spans"]) == 1 for each in sentry.transactions)


async def test_a_transaction_has_no_more_spans_than_sentry_takes(
    sentry: SentryServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(spans, "MAX_SPANS", 3)
    async with monitoring(sentry.url) as monitor:
        with monitor.trace("outer"):
            for number in range(5):
                with monitor.trace(f"step {number}"):
                    pass

    assert [span["description"] for span in sentry.transactions[0]["spans"]] == ["step 0", "step 1", "step 2"]


async def test_facts_that_cannot_be_shown_fail_nothing(sentry: SentryServer) -> None:
    class Unspeakable:
        def __str__(self) -> str:
            raise RuntimeError

        __repr__ = __str__

    class UnspeakableError(Exception):
        def __str__(self) -> str:
            raise RuntimeError

    with captured_log():
        async with monitoring(sentry.url) as monitor:
            monitor.capture_message("said", context={"value": Unspeakable(), "load": float("nan")})
            monitor.capture_exception(UnspeakableError())

    assert sentry.events[0]["extra"] == {"value": "<Unspeakable>", "load": "nan"}
