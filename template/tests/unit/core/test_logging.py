"""Lines of the log, by any logger, in both formats: the request and the facts."""

import io
import json
import logging
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from dirty_equals import IsDatetime

from app.core.logging import (
    configure_logging,
    current_request_id,
    get_logger,
    log_context,
)
from tests.logs import Log, captured_log, logging_as_it_was


@pytest.fixture(autouse=True)
def _logging_as_it_was() -> Iterator[None]:
    with logging_as_it_was():
        yield


@pytest.fixture
def log() -> Iterator[Log]:
    """The log as machines read it."""
    with captured_log() as log:
        yield log


@pytest.fixture
def console() -> Iterator[Log]:
    """The log as people read it."""
    with captured_log(json_lines=False) as log:
        yield log


def test_a_line_has_time_level_logger_and_facts(log: Log) -> None:
    get_logger("app.services.things").info("thing created", sku="CHAIR-042", extra={"count": 3, "sku": "hidden"})

    assert log.line == {
        "event": "thing created",
        "level": "info",
        "logger": "app.services.things",
        "timestamp": IsDatetime(iso_string=True),
        "sku": "CHAIR-042",
        "count": 3,
    }
    assert log.line["timestamp"].endswith("Z")


@pytest.mark.parametrize("name", ["app.other", "sqlalchemy.engine", "uvicorn", "uvicorn.error", "uvicorn.asgi"])
def test_lines_of_the_standard_library_look_the_same(log: Log, name: str) -> None:
    with log_context(request_id="r-12345678"):
        logging.getLogger(name).warning("%s of %d", "one", 2, extra={"sku": "CHAIR-042", "color_message": "\x1b[1m"})

    assert log.line == {
        "event": "one of 2",
        "level": "warning",
        "logger": name,
        "timestamp": IsDatetime(iso_string=True),
        "request_id": "r-12345678",
        "sku": "CHAIR-042",
    }


def test_uvicorn_s_own_access_log_is_silent(log: Log) -> None:
    logging.getLogger("uvicorn.access").info("GET /")

    assert log.text == ""


def test_the_console_shows_the_same_facts(console: Log) -> None:
    with log_context(request_id="r-12345678"):
        get_logger("app.a").info("thing created", sku="CHAIR-042")
        logging.getLogger("app.b").warning("careful")

    first, second = console.text.splitlines()
    for part in ("thing created", "sku=CHAIR-042", "app.a", "request_id=r-12345678", "info"):
        assert part in first
    for part in ("careful", "app.b", "request_id=r-12345678", "warning"):
        assert part in second
    assert "\x1b" not in console.text


def test_the_context_is_on_every_line_inside_and_on_none_outside(log: Log) -> None:
    logger = get_logger("app")

    with log_context(request_id="outer-000", user_id="u1"):
        with log_context(request_id="inner-000"):
            logger.info("inside")
            assert current_request_id() == "inner-000"
        logger.info("between")
    logger.info("outside")

    inside, between, outside = log.lines
    assert (inside["request_id"], inside["user_id"]) == ("inner-000", "u1")
    assert (between["request_id"], between["user_id"]) == ("outer-000", "u1")
    assert "request_id" not in outside
    assert current_request_id() is None


def test_the_level_holds_for_everybody(log: Log) -> None:
    get_logger("app").debug("quiet")
    logging.getLogger("other").debug("quiet")
    get_logger("app").info("loud")
    logging.getLogger("other").info("loud")
    assert [line["event"] for line in log.lines] == ["loud", "loud"]

    configure_logging(level="ERROR", json_lines=True, stream=log.stream)
    get_logger("app").warning("quiet")
    logging.getLogger("other").warning("quiet")
    assert len(log.lines) == 2


def test_before_anything_is_set_up_lines_are_written_nonetheless() -> None:
    program = "from app.core.logging import *; log = get_logger('a'); log.info('one'); "
    program += "log_request(log, 'GET', '/two', 200, duration_ms=1)"

    written = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True).stdout

    assert "one" in written
    assert "/two" in written


def test_a_timestamp_is_the_moment_it_was_written(log: Log) -> None:
    before = datetime.now(UTC)
    get_logger("app").info("now")

    assert before <= datetime.fromisoformat(log.line["timestamp"]) <= datetime.now(UTC)


def test_setting_up_again_replaces_the_former_set_up(log: Log) -> None:
    early = get_logger("app")
    early.info("first")
    second = Log()

    configure_logging(level="INFO", json_lines=True, stream=second.stream)
    early.info("second")
    logging.getLogger("other").info("second")

    assert [line["event"] for line in log.lines] == ["first"]
    assert [line["event"] for line in second.lines] == ["second", "second"]


def test_without_a_stream_lines_go_to_standard_output(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging(level="INFO", json_lines=True)

    get_logger("app").info("here")

    assert json.loads(capsys.readouterr().out)["event"] == "here"


# Names that the line, its context, structlog or the standard library's record have a use for.
TAKEN = (
    *("event", "level", "timestamp", "logger", "logger_name", "exception", "exc_info", "stack", "stack_info"),
    *("request_id", "user_id", "trace_id", "message", "msg", "args", "name", "asctime", "extra", "self", "method"),
    *("_record", "_from_structlog", "positional_args", "color_message", "kw", "meth", "method_name", "wrapper", 7),
)
# What the standard library itself refuses, or takes for an argument.
NOT_IN_RECORDS = {"message", "msg", "args", "name", "asctime", "exc_info", "stack_info", "color_message", "_record"}


@pytest.mark.parametrize("key", TAKEN)
@pytest.mark.parametrize("json_lines", [True, False], ids=["json", "console"])
@pytest.mark.parametrize("way", ["extra", "keyword", "standard", "bound"])
def test_no_name_of_a_fact_replaces_the_sentence_or_the_line_s_own_facts(
    key: Any,
    json_lines: bool,  # noqa: FBT001 — a parameter of the test
    way: str,
) -> None:
    with captured_log(json_lines=json_lines) as log, log_context(request_id="r-12345678", user_id="u-1"):
        if way == "extra":
            get_logger("app.a").info("the sentence", extra={key: "a fact"})
        elif way == "keyword" and key not in {"exc_info", "stack_info", 7}:
            get_logger("app.a").info("the sentence", **{key: "a fact"})
        elif way == "bound" and key not in {"exc_info", "stack_info", "logger_name", "self", 7}:
            get_logger("app.a").bind(**{key: "a fact"}).info("the sentence")
        elif way == "standard" and key not in NOT_IN_RECORDS:
            logging.getLogger("app.a").info("the sentence", extra={key: "a fact"})
        else:
            return

    assert log.text.count("\n") == 1
    for part in ("the sentence", "app.a", "r-12345678", "u-1", "info"):
        assert part in log.text
    if way != "bound":
        assert "a fact" in log.text
    if json_lines:
        line = log.line
        assert (line["event"], line["level"], line["logger"]) == ("the sentence", "info", "app.a")
        assert (line["request_id"], line["user_id"]) == ("r-12345678", "u-1")
        assert line["timestamp"] == IsDatetime(iso_string=True)


def test_extra_that_is_no_mapping_is_a_fact(log: Log) -> None:
    get_logger("app").info("e", extra=7)

    assert (log.line["event"], log.line["extra"]) == ("e", 7)


def test_a_line_of_the_log_cannot_be_forged(log: Log) -> None:
    get_logger("app").info('a\n{"event": "forged"}', name="b\r\nc\u2028d")

    assert log.line["event"] == 'a\n{"event": "forged"}'


class Unprintable:
    def __str__(self) -> str:
        raise RuntimeError("no text")

    __repr__ = __str__


@pytest.mark.parametrize(
    "value",
    [Unprintable(), float("nan"), "\ud800", {Unprintable(): 1}, b"\xff", object()],
    ids=lambda each: str(type(each)),
)
@pytest.mark.parametrize("json_lines", [True, False], ids=["json", "console"])
def test_logging_never_fails(value: object, json_lines: bool) -> None:  # noqa: FBT001 — a parameter of the test
    raw = io.BytesIO()
    stream = io.TextIOWrapper(raw, encoding="utf-8", write_through=True)
    configure_logging(level="INFO", json_lines=json_lines, stream=stream)

    get_logger("app").info("odd", value=value)
    logging.getLogger("app").info("odd", extra={"value": value})

    lines = raw.getvalue().decode().splitlines()
    assert len(lines) == 2
    if json_lines:
        assert all(json.loads(line, parse_constant=pytest.fail)["event"] == "odd" for line in lines)
