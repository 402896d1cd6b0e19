"""What is written, by whomever, in both formats: the request, the facts, no secret."""

import io
import json
import logging
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from dirty_equals import IsDatetime

from app.core.exceptions import ExternalServiceError
from app.core.logging import (
    configure_logging,
    current_request_id,
    get_logger,
    log_context,
    log_error,
    log_request,
)
from tests.logs import Log, captured_log, logging_as_it_was

SECRET = "Xq7planted"
JWT = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJYcTdwbGFudGVkIn0.c2lnWHE3cGxhbnRlZA"


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


def test_a_timestamp_is_the_moment_it_was_written(log: Log, monkeypatch: pytest.MonkeyPatch) -> None:
    before = datetime.now(UTC)
    get_logger("app").info("now")
    after = datetime.now(UTC)
    for nanoseconds in (1_893_553_445_000_006_789, 1_893_553_445_999_999_999, 1_893_553_446_000_000_000):
        monkeypatch.setattr(time, "time_ns", lambda now=nanoseconds: now)
        get_logger("app").info("later")

    now, *later = (line["timestamp"] for line in log.lines)
    assert before <= datetime.fromisoformat(now) <= after
    assert later == ["2030-01-02T03:04:05.000006Z", "2030-01-02T03:04:05.999999Z", "2030-01-02T03:04:06.000000Z"]


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


def _with_context() -> None:
    with log_context(session_token=SECRET):
        get_logger("a").info("e")


def _request_with_context() -> None:
    with log_context(session_token=SECRET):
        log_request(get_logger("a"), "GET", "/a", 200, duration_ms=1)


def _with_exception(write: Callable[[str], Any]) -> None:
    try:
        _fail()
    except RuntimeError:
        write("failed")


def _fail() -> None:
    try:
        int(f"postgres://u:{SECRET}@h/db")
    except ValueError as err:
        raise RuntimeError(f"api_key={SECRET}") from err


Write = Callable[[], Any]
LEAKS: dict[str, Write] = {
    "context": _with_context,
    "keyword": lambda: get_logger("a").info("e", password=SECRET),
    "extra": lambda: get_logger("a").info("e", extra={"api_key": SECRET}),
    "nested": lambda: get_logger("a").info("e", user={"profile": [{"access_token": SECRET}]}),
    "event": lambda: get_logger("a").info(f"connecting to postgres://u:{SECRET}@h/db"),
    "arguments": lambda: get_logger("a").info("header %s", f"Bearer {SECRET}"),
    "jwt": lambda: get_logger("a").info("e", header=JWT),
    "list": lambda: get_logger("a").info("e", urls=[f"amqp://:{SECRET}@h"]),
    "object": lambda: get_logger("a").info("e", error=ValueError(f"password={SECRET}")),
    "exception": lambda: _with_exception(get_logger("a").exception),
    "standard message": lambda: logging.getLogger("a").info(f"password={SECRET}"),
    "standard arguments": lambda: logging.getLogger("a").info("token=%s", SECRET),
    "standard named arguments": lambda: logging.getLogger("a").info("at %(url)s", {"url": f"https://{SECRET}@h"}),
    "standard extra": lambda: logging.getLogger("a").info("e", extra={"client_secret": SECRET}),
    "standard exception": lambda: _with_exception(logging.getLogger("a").exception),
    "uvicorn": lambda: logging.getLogger("uvicorn.error").error("dsn https://%s@reports.example.org/1", SECRET),
    "log_error": lambda: log_error(
        get_logger("a"),
        ExternalServiceError("billing", f"GET https://u:{SECRET}@h", details={"token": SECRET}),
        context={"password": SECRET, "note": f"Bearer {SECRET}"},
    ),
    "log_request in a context": _request_with_context,
    "log_request": lambda: log_request(get_logger("a"), "GET", f"/a?token={SECRET}", 200, duration_ms=1),
}


@pytest.mark.parametrize("json_lines", [True, False], ids=["json", "console"])
@pytest.mark.parametrize("leak", LEAKS)
def test_no_secret_is_ever_written(leak: str, json_lines: bool) -> None:  # noqa: FBT001 — a parameter of the test
    log = Log()
    configure_logging(level="INFO", json_lines=json_lines, stream=log.stream)

    LEAKS[leak]()

    assert "planted" not in log.text
    assert JWT not in log.text
    assert "[redacted]" in log.text


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


@pytest.mark.parametrize("key", ["user_id", "request_id", "level"])
def test_a_fact_that_is_called_like_an_id_is_searched_for_secrets(key: str, log: Log) -> None:
    get_logger("app").info("e", extra={key: f"Bearer {SECRET}"})

    assert "planted" not in log.text


def test_extra_that_is_no_mapping_is_a_fact(log: Log) -> None:
    get_logger("app").info("e", extra=7)

    assert (log.line["event"], log.line["extra"]) == ("e", 7)


@pytest.mark.parametrize("write", ["ours", "standard"])
def test_an_exception_has_its_whole_story(log: Log, write: str) -> None:
    _with_exception(get_logger("a").exception if write == "ours" else logging.getLogger("a").exception)

    assert log.line["level"] == "error"
    assert "Traceback" in log.line["exception"]
    assert "ValueError" in log.line["exception"]
    assert "direct cause" in log.line["exception"]


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
