"""The monitor: the log has every report, and a reporter has it while there is one."""

import asyncio
from collections.abc import Mapping
from typing import Any

import pytest

from app.core.logging import get_logger
from app.core.monitoring import Level, Monitor, Reporter
from tests.logs import Log, captured_log

pytestmark = pytest.mark.anyio


class Memory(Reporter):
    """A reporter that keeps what it is given."""

    def __init__(self) -> None:
        self.told: list[Any] = []

    def capture_exception(self, err: BaseException, context: Mapping[str, object]) -> None:
        self.told.append((err, context))

    def capture_message(self, message: str, level: Level, context: Mapping[str, object]) -> None:
        self.told.append((message, level, context))

    def set_user(self, user_id: str, *, email: str | None, username: str | None) -> None:
        self.told.append((user_id, email, username))


@pytest.fixture
def log() -> Any:
    with captured_log(level="DEBUG") as log:
        yield log


def say_everything(monitor: Monitor) -> None:
    monitor.set_user(7, email="ada@example.org", username="ada")
    monitor.add_breadcrumb("asked", category="http", data={"status": 502})
    monitor.capture_message("quota is nearly used up", "warning", context={"left": 3})
    monitor.capture_exception(RuntimeError("never raised"), context={"support_id": "s-1"})
    with monitor.trace("outer"), monitor.trace("inner"):
        pass


def test_monitor_logs_every_report_of_a_request_and_no_personal_data(log: Log) -> None:
    monitor = Monitor()
    with monitor.request_scope({"request_id": "r-12345678"}):
        say_everything(monitor)
        with pytest.raises(KeyError), monitor.trace("broken"):
            raise KeyError

    crumb, message, error, inner, outer, broken = log.lines
    assert {(line["request_id"], line["user_id"]) for line in log.lines} == {("r-12345678", "7")}
    assert (crumb["level"], crumb["step"], crumb["data"]) == ("debug", "asked", {"status": 502})
    assert (message["event"], message["level"], message["left"]) == ("quota is nearly used up", "warning", 3)
    assert (error["error"], error["message"], error["support_id"]) == ("RuntimeError", "never raised", "s-1")
    assert "RuntimeError: never raised" in error["exception"]
    assert [line["name"] for line in (inner, outer, broken)] == ["inner", "outer", "broken"]
    assert 0 <= inner["duration_ms"] <= outer["duration_ms"] < 1000
    assert "ada" not in log.text


async def test_set_user_is_on_the_further_lines_of_its_own_request_alone(log: Log) -> None:
    monitor = Monitor()
    logger = get_logger("tests")

    async def request(number: int) -> None:
        with monitor.request_scope({"request_id": f"r-{number}"}):
            logger.info("before", number=number)
            await asyncio.sleep(0)
            monitor.set_user(number)
            await asyncio.to_thread(logger.info, "after", number=number)

    await asyncio.gather(*(request(number) for number in range(200)))
    logger.info("between")

    assert all("user_id" not in line for line in [*log.events("before"), *log.events("between")])
    assert all(line["user_id"] == str(line["number"]) for line in log.events("after"))


def test_monitor_hands_over_what_is_reported_to_its_reporter(log: Log) -> None:
    memory, monitor = Memory(), Monitor()
    monitor.reporter = memory
    # Outside of a request there is no user.
    monitor.set_user("bob")
    with monitor.scope():
        say_everything(monitor)

    user, message, (error, context) = memory.told
    assert user == ("7", "ada@example.org", "ada")
    assert message == ("quota is nearly used up", "warning", {"left": 3})
    assert (str(error), context) == ("never raised", {"support_id": "s-1"})
