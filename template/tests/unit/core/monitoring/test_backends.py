"""What every place for reports must do; a new one joins the list of `BACKENDS`."""

import asyncio
from collections.abc import Callable, Iterator

import pytest

from app.core.logging import log_context
from app.core.monitoring import LogBackend, Monitor, MonitorBackend
from tests.logs import Log, captured_log

pytestmark = pytest.mark.anyio

BACKENDS: dict[str, Callable[[], MonitorBackend]] = {"log": LogBackend}


@pytest.fixture(params=BACKENDS)
def monitor(request: pytest.FixtureRequest) -> Monitor:
    return Monitor(BACKENDS[request.param]())


async def test_no_call_raises_within_a_request_or_outside_of_one(monitor: Monitor) -> None:
    def everything() -> None:
        monitor.set_user(7, email="ada@example.org")
        monitor.add_breadcrumb("step", data={"n": 1})
        monitor.capture_message("message", "warning", context={"n": 1})
        monitor.capture_exception(RuntimeError("never raised"), context={"n": object()})
        with monitor.trace("outer"), monitor.trace("inner"):
            pass

    with captured_log():
        everything()
        with monitor.scope():
            everything()


async def test_what_is_traced_may_fail_and_wait(monitor: Monitor) -> None:
    async def work() -> None:
        with monitor.trace("work"):
            await asyncio.sleep(0)
            raise KeyError("missing")

    with captured_log(), pytest.raises(KeyError):
        await work()


@pytest.fixture
def log() -> Iterator[Log]:
    with captured_log(level="DEBUG") as log:
        yield log


async def test_the_log_has_a_report_with_its_traceback_facts_and_trail(log: Log) -> None:
    monitor = Monitor(LogBackend())
    with monitor.scope(), log_context(request_id="r-12345678"):
        monitor.set_user(7, email="ada@example.org", username="ada")
        monitor.add_breadcrumb("asked", category="http", data={"status": 502})
        with pytest.raises(RuntimeError) as caught:
            raise RuntimeError("broken")
        monitor.capture_exception(caught.value, context={"support_id": "s-1"})

    (line,) = log.events("error")
    assert (line["level"], line["error"], line["message"]) == ("error", "RuntimeError", "broken")
    assert (line["request_id"], line["user_id"], line["support_id"]) == ("r-12345678", "7", "s-1")
    assert "Traceback" in line["exception"]
    (crumb,) = line["breadcrumbs"]
    assert (crumb["message"], crumb["category"], crumb["status"]) == ("asked", "http", 502)
    assert "ada" not in log.text


@pytest.mark.parametrize("level", ["debug", "info", "warning", "error"])
def test_the_log_has_a_message_at_its_level(log: Log, level: str) -> None:
    Monitor(LogBackend()).capture_message("quota is nearly used up", level, context={"left": 3})  # type: ignore[arg-type]

    (line,) = log.events("quota is nearly used up")
    assert (line["level"], line["left"]) == (level, 3)


async def test_the_log_has_a_line_for_each_trace_when_it_ends(log: Log) -> None:
    monitor = Monitor(LogBackend())

    async def part(name: str) -> None:
        with monitor.trace(name):
            await asyncio.sleep(0.01)

    with monitor.trace("whole"):
        await asyncio.gather(part("a"), part("b"))
        with pytest.raises(KeyError), monitor.trace("c"):
            raise KeyError
    with monitor.trace("next"):
        pass

    traces = {line["name"]: line for line in log.events("trace")}
    assert {name: line["parent"] for name, line in traces.items()} == {
        "a": "whole",
        "b": "whole",
        "c": "whole",
        "whole": None,
        "next": None,
    }
    assert {line["level"] for line in traces.values()} == {"debug"}
    assert [traces[name]["outcome"] for name in ("a", "c", "whole")] == ["done", "failed", "done"]
    assert 9 <= traces["a"]["duration_ms"] <= traces["whole"]["duration_ms"]
    # Two that wait at the same time do not add up.
    assert traces["whole"]["duration_ms"] < 1000
