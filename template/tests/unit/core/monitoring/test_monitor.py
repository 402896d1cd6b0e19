"""What is remembered of a request, for how long, and what no report may hold."""

import asyncio
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any

import pytest

import app.core
from app.core.logging import get_logger
from app.core.monitoring import Level, Monitor, Report, User
from tests.logs import captured_log

pytestmark = pytest.mark.anyio

SECRET = "Xq7planted"


class Memory:
    """A backend that keeps what it is given."""

    def __init__(self) -> None:
        self.reports: list[tuple[object, Report]] = []
        self.spans: list[str] = []

    def capture_exception(self, err: BaseException, report: Report) -> None:
        self.reports.append((err, report))

    def capture_message(self, message: str, level: Level, report: Report) -> None:
        self.reports.append((f"{level}: {message}", report))

    @contextmanager
    def span(self, name: str) -> Iterator[None]:
        self.spans.append(f"begin {name}")
        try:
            yield
        except Exception as err:
            self.spans.append(f"{type(err).__name__} in {name}")
            raise
        self.spans.append(f"end {name}")


class Broken:
    """A backend that cannot do anything."""

    def capture_exception(self, *_report: object) -> None:
        raise ConnectionError("password=Xq7planted")

    def capture_message(self, *_report: object) -> None:
        raise ConnectionError

    def span(self, name: str) -> AbstractContextManager[object]:
        if name == "at the end":
            return BrokenAtTheEnd()
        raise ConnectionError


class BrokenAtTheEnd(nullcontext[None]):
    def __exit__(self, *_error: object) -> None:
        raise ConnectionError


def messages(report: Report) -> list[str]:
    return [crumb.message for crumb in report.breadcrumbs]


def test_the_facade_is_one_import_away() -> None:
    assert isinstance(app.core.monitor, Monitor)


def test_a_report_carries_what_the_request_left_behind() -> None:
    memory = Memory()
    monitor = Monitor(memory)
    error = KeyError("x")
    with monitor.scope(request_id="r-12345678"):
        monitor.set_user(7, email="ada@example.org", username="ada")
        monitor.add_breadcrumb("first")
        monitor.add_breadcrumb("second", category="http", data={"status": 200})
        monitor.capture_exception(error, context={"n": 1})
        monitor.capture_message("said", "warning")

    (what, report), (message, _) = memory.reports
    assert what is error
    assert message == "warning: said"
    assert report.context == {"n": 1}
    assert report.user == User("7", "ada@example.org", "ada")
    assert report.request_id == "r-12345678"
    assert messages(report) == ["first", "second"]
    assert (report.breadcrumbs[1].category, report.breadcrumbs[1].data) == ("http", {"status": 200})
    assert report.breadcrumbs[0].timestamp.tzinfo is not None


def test_the_trail_is_bounded_and_ends_with_the_newest() -> None:
    memory = Memory()
    monitor = Monitor(memory)
    with monitor.scope():
        for number in range(1000):
            monitor.add_breadcrumb(str(number))
        monitor.capture_message("said")

    assert messages(memory.reports[0][1]) == [str(number) for number in range(950, 1000)]


async def test_200_requests_at_a_time_see_only_their_own_user_and_trail() -> None:
    memory = Memory()
    monitor = Monitor(memory)
    logger = get_logger("tests")

    async def step(number: int) -> None:
        await asyncio.sleep(0)
        monitor.add_breadcrumb(f"step of {number}")

    async def request(number: int) -> None:
        with monitor.scope():
            logger.info("before", number=number)
            await asyncio.sleep(0)
            monitor.set_user(number)
            await asyncio.gather(step(number), asyncio.to_thread(monitor.add_breadcrumb, f"thread of {number}"))
            logger.info("after", number=number)
            monitor.capture_message(str(number), context={"number": number})

    with captured_log() as log:
        await asyncio.gather(*(request(number) for number in range(200)))

    assert len(memory.reports) == 200
    for _, report in memory.reports:
        number = report.context["number"]
        assert report.user == User(str(number))
        # Left by the request's own tasks and threads, and by nobody else's.
        assert sorted(messages(report)) == [f"step of {number}", f"thread of {number}"]
    assert all("user_id" not in line for line in log.events("before"))
    assert all(line["user_id"] == str(line["number"]) for line in log.events("after"))


def test_requests_that_follow_each_other_in_one_task_share_nothing() -> None:
    memory = Memory()
    monitor = Monitor(memory)
    with captured_log() as log:
        with monitor.scope():
            monitor.set_user("ada")
            monitor.add_breadcrumb("of ada")
        get_logger("tests").info("between")
        with monitor.scope():
            get_logger("tests").info("next")
            monitor.capture_message("said")

    assert memory.reports[0][1] == Report({}, (), None, None)
    assert ["user_id" in line for line in log.lines] == [False, False]


def test_outside_of_a_request_nothing_is_kept_that_others_could_see() -> None:
    memory = Memory()
    monitor = Monitor(memory)
    with captured_log() as log:
        monitor.set_user("ada")
        monitor.add_breadcrumb("step")
        monitor.capture_message("said")
        get_logger("tests").info("line")

    assert memory.reports[0][1] == Report({}, (), None, None)
    assert "user_id" not in log.line


def test_secrets_are_taken_out_before_a_backend_sees_them() -> None:
    memory = Memory()
    monitor = Monitor(memory)
    with monitor.scope():
        monitor.add_breadcrumb(f"password={SECRET}", data={"token": SECRET, "deep": [{"api_key": SECRET}]})
        monitor.capture_message(
            f"GET https://ada:{SECRET}@example.org", context={"password": SECRET, "headers": {"cookie": SECRET}}
        )

    (message, report) = memory.reports[0]
    assert SECRET not in str(message)
    assert SECRET not in str(report)
    assert "example.org" in str(message)


def test_a_broken_backend_fails_nobody_and_the_others_get_their_reports() -> None:
    memory = Memory()
    monitor = Monitor(Broken(), memory)
    with captured_log() as log, monitor.scope():
        monitor.capture_message("said")
        monitor.capture_exception(KeyError("x"))
        with monitor.trace("at the beginning"), monitor.trace("at the end"):
            pass

    assert len(memory.reports) == 2
    assert memory.spans == ["begin at the beginning", "begin at the end", "end at the end", "end at the beginning"]
    assert [line["event"] for line in log.lines] == ["monitoring failed"] * 4
    assert {line["reason"] for line in log.lines} == {"ConnectionError"}
    assert SECRET not in log.text


def test_context_that_cannot_be_shown_fails_nobody() -> None:
    class Unspeakable:
        def __str__(self) -> str:
            raise RuntimeError

        __repr__ = __str__

    memory = Memory()
    monitor = Monitor(memory)
    with captured_log(), monitor.scope():
        monitor.add_breadcrumb("step", data={"value": Unspeakable()})
        monitor.capture_exception(KeyError("x"), context={"value": Unspeakable()})

    # The report goes out, whatever becomes of its facts.
    assert len(memory.reports) == 1


def test_what_a_trace_is_told_about_its_end() -> None:
    memory = Memory()
    monitor = Monitor(memory)

    def fail() -> None:
        with monitor.trace("outer"), monitor.trace("inner"):
            raise KeyError("x")

    def fail_early() -> None:
        raise ValueError

    with pytest.raises(KeyError):
        fail()
    try:
        fail_early()
    except ValueError:
        # An error that is being handled outside is none of what runs inside.
        with monitor.trace("later"):
            pass

    assert memory.spans == [
        "begin outer",
        "begin inner",
        "KeyError in inner",
        "KeyError in outer",
        "begin later",
        "end later",
    ]


def test_a_backend_can_be_attached_and_taken_away() -> None:
    first, second = Memory(), Memory()
    monitor = Monitor(first)
    detach = monitor.attach(second)
    monitor.capture_message("both")
    detach()
    detach()
    monitor.capture_message("first")

    said: list[Any] = [[what for what, _ in memory.reports] for memory in (first, second)]
    assert said == [["info: both", "info: first"], ["info: both"]]
