"""Lines of the log, by any logger, in both formats: the request and the facts, and never a secret."""

import asyncio
import io
import json
import logging
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
import structlog
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


@pytest.fixture(autouse=True)
def _logging_as_it_was() -> Iterator[None]:
    with logging_as_it_was():
        yield


def test_a_line_has_time_level_logger_and_facts(log: Log) -> None:
    before = datetime.now(UTC)
    get_logger("app.services.things").info("thing %s", "created", sku="CHAIR-042", extra={"count": 3, "sku": "hidden"})

    assert log.line == {
        "event": "thing created",
        "level": "info",
        "logger": "app.services.things",
        "timestamp": IsDatetime(iso_string=True),
        "sku": "CHAIR-042",
        "count": 3,
    }
    assert before <= datetime.fromisoformat(log.line["timestamp"]) <= datetime.now(UTC)


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


def test_log_context_is_on_every_line_inside_and_on_none_outside(log: Log) -> None:
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


def test_configure_logging_replaces_level_and_stream_for_everybody(log: Log) -> None:
    early, other, second = get_logger("app"), logging.getLogger("other"), Log()
    for logger in (early, other):
        logger.debug("quiet")
        logger.info("loud")

    configure_logging(level="ERROR", json_lines=True, stream=second.stream)
    log_request(early, "GET", "/quiet", 500, duration_ms=1)
    for logger in (early, other):
        logger.warning("quiet")
        logger.error("second")

    assert [line["event"] for line in log.lines] == ["loud", "loud"]
    assert [line["event"] for line in second.lines] == ["second", "second"]


# Names that the line, its context, structlog or the standard library's record have a use for.
TAKEN = ["event", "level", "timestamp", "logger", "logger_name", "exception", "stack", "request_id", "method", "self"]
# The standard library refuses these, or takes them for its own arguments.
OURS_ALONE = ["message", "args", "name", "exc_info", "_record", "_from_structlog"]


@pytest.mark.parametrize("json_lines", [True, False], ids=["json", "console"])
@pytest.mark.parametrize(
    ("way", "key"),
    [
        *(("standard", key) for key in TAKEN),
        *(("keyword", key) for key in (*TAKEN, *OURS_ALONE) if key != "exc_info"),
        *(("extra", key) for key in (*TAKEN, *OURS_ALONE, "extra", 7)),
    ],
)
def test_no_name_of_a_fact_replaces_the_sentence_or_the_line_s_own_facts(way: str, key: Any, json_lines: bool) -> None:  # noqa: FBT001
    with captured_log(json_lines=json_lines) as log, log_context(request_id="r-12345678"):
        if way == "keyword":
            get_logger("app.a").info("the sentence", **{key: "a fact"})
        else:
            logger: Any = get_logger("app.a") if way == "extra" else logging.getLogger("app.a")
            logger.info("the sentence", extra={key: "a fact"})

    assert log.text.count("\n") == 1
    assert "\x1b" not in log.text
    for part in ("the sentence", "app.a", "r-12345678", "info", "a fact"):
        assert part in log.text
    if json_lines:
        own = [log.line[name] for name in ("event", "level", "logger", "request_id")]
        assert own == ["the sentence", "info", "app.a", "r-12345678"]


class Unprintable:
    def __str__(self) -> str:
        raise RuntimeError("no text")

    __repr__ = __str__


@pytest.mark.parametrize("value", [Unprintable(), float("nan"), "\ud800", {Unprintable(): 1}, b"\xff", "a\r\nb\u2028"])
@pytest.mark.parametrize("json_lines", [True, False], ids=["json", "console"])
def test_logging_never_fails_and_no_value_forges_a_line(value: object, json_lines: bool) -> None:  # noqa: FBT001
    raw = io.BytesIO()
    stream = io.TextIOWrapper(raw, encoding="utf-8", write_through=True)
    configure_logging(level="INFO", json_lines=json_lines, stream=stream)

    get_logger("app").info("odd", value=value)
    logging.getLogger("app").info("odd", extra={"value": value})

    lines = raw.getvalue().decode().strip("\n").split("\n")
    assert len(lines) == 2
    if json_lines:
        assert all(json.loads(line, parse_constant=pytest.fail)["event"] == "odd" for line in lines)


@pytest.mark.anyio
async def test_log_request_writes_the_requests_of_a_turn_as_it_ends(log: Log) -> None:
    for path in ("/a", "/b", "/c"):
        with log_context(request_id=f"id-of{path}"):
            log_request(get_logger("app.access"), "GET", path, 200, duration_ms=1)
    answered = datetime.now(UTC)
    # Not `log.text`, which would write what waits.
    assert log.stream.getvalue() == ""
    await asyncio.sleep(0)

    lines = [json.loads(line) for line in log.stream.getvalue().splitlines()]
    assert [(line["path"], line["request_id"]) for line in lines] == [(f"/{x}", f"id-of/{x}") for x in "abc"]
    assert all(datetime.fromisoformat(line["timestamp"]) <= answered for line in lines)


def test_log_request_writes_what_a_stopped_loop_has_left(log: Log) -> None:
    logger, stopped = get_logger("app.access"), asyncio.new_event_loop()

    async def log_and_stop() -> None:
        log_request(logger, "GET", "/left", 200, duration_ms=1)
        stopped.stop()

    task = stopped.create_task(log_and_stop())
    stopped.run_forever()
    assert log.stream.getvalue() == ""

    async def log_another() -> None:
        log_request(logger, "GET", "/next", 200, duration_ms=1)

    asyncio.run(log_another())
    assert [json.loads(line)["path"] for line in log.stream.getvalue().splitlines()] == ["/left", "/next"]
    stopped.run_until_complete(task)
    stopped.close()


def test_log_error_writes_the_facts_of_an_error(log: Log) -> None:
    log_error(get_logger("app"), KeyError("missing"))
    error = ExternalServiceError("billing", "refused", operation="orders.pay", details={"attempts": 3})
    log_error(get_logger("app"), error, context={"order": 7})

    expected = {
        "error_code": "EXTERNAL_SERVICE_ERROR",
        "operation": "orders.pay",
        "order": 7,
        "details": {"service": "billing", "attempts": 3},
    }
    foreign, ours = log.lines
    assert expected.items() <= ours.items()
    assert "ExternalServiceError: billing: refused" in ours["exception"]
    assert (foreign["error"], foreign["message"]) == ("KeyError", "'missing'")


SECRET = "Xq7planted"
JWT = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJYcTdwbGFudGVkIn0.c2lnWHE3cGxhbnRlZA"


def _in_context(write: Callable[[], Any]) -> None:
    with log_context(session_token=SECRET):
        write()


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


LEAKS: dict[str, Callable[[], Any]] = {
    "context": lambda: _in_context(lambda: get_logger("a").info("e")),
    "structlog's own": lambda: structlog.get_logger().bind(password=SECRET).info("e"),
    "keyword": lambda: get_logger("a").info("e", password=SECRET),
    "extra": lambda: get_logger("a").info("e", extra={"api_key": SECRET}),
    "called like an id": lambda: get_logger("a").info("e", request_id=f"Bearer {SECRET}"),
    "nested": lambda: get_logger("a").info("e", user={"profile": [{"access_token": SECRET}]}),
    "event": lambda: get_logger("a").info(f"connecting to postgres://u:{SECRET}@h/db"),
    "arguments": lambda: get_logger("a").info("header %s", f"Bearer {SECRET}"),
    "jwt": lambda: get_logger("a").info("e", header=JWT),
    "object": lambda: get_logger("a").info("e", error=ValueError(f"password={SECRET}")),
    "exception": lambda: _with_exception(get_logger("a").exception),
    "standard arguments": lambda: logging.getLogger("a").info("token=%s", SECRET),
    "standard extra": lambda: logging.getLogger("a").info("e", extra={"client_secret": SECRET}),
    "standard exception": lambda: _with_exception(logging.getLogger("a").exception),
    "uvicorn": lambda: logging.getLogger("uvicorn.error").error("dsn https://%s@reports.example.org/1", SECRET),
    "log_error": lambda: log_error(
        get_logger("a"),
        ExternalServiceError("billing", f"GET https://u:{SECRET}@h", details={"token": SECRET}),
        context={"password": SECRET, "note": f"Bearer {SECRET}"},
    ),
    "log_request in a context": lambda: _in_context(
        lambda: log_request(get_logger("a"), "GET", "/a", 200, duration_ms=1)
    ),
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
