"""`log_request`, `log_db_query`, `log_error`: a line each, with the facts under their names."""

import asyncio
import io
import json
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest
from dirty_equals import IsStr

from app.core.exceptions import ExternalServiceError
from app.core.logging import configure_logging, get_logger, log_context, log_db_query, log_error, log_request
from tests.logs import Log, captured_log, logging_as_it_was


@pytest.fixture
def log() -> Iterator[Log]:
    """The log as machines read it."""
    with logging_as_it_was(), captured_log() as log:
        yield log


@pytest.mark.parametrize(("status", "level"), [(200, "info"), (404, "info"), (499, "info"), (500, "warning")])
def test_a_request_is_a_line(log: Log, status: int, level: str) -> None:
    log_request(get_logger("app.access"), "GET", "/api/v1/x", status, duration_ms=1.23456)

    assert log.line == {
        "event": "request",
        "level": level,
        "logger": "app.access",
        "timestamp": IsStr(),
        "method": "GET",
        "path": "/api/v1/x",
        "status": status,
        "duration_ms": 1.23,
    }


def test_a_request_s_line_has_its_context_and_its_level(log: Log) -> None:
    logger = get_logger("app.access")

    with log_context(request_id="r-12345678", user_id="u1"):
        log_request(logger, "GET", "/a", 200, duration_ms=1)
        configure_logging(level="WARNING", json_lines=True, stream=log.stream)
        log_request(logger, "GET", "/b", 200, duration_ms=1)
        log_request(logger, "GET", "/c", 500, duration_ms=1)

    first, last = log.lines
    assert (first["path"], first["request_id"], first["user_id"]) == ("/a", "r-12345678", "u1")
    assert (last["path"], last["request_id"], last["user_id"]) == ("/c", "r-12345678", "u1")


class Pieces(io.StringIO):
    """A stream that knows in which pieces it was written."""

    def __init__(self) -> None:
        super().__init__()
        self.pieces: list[str] = []

    def write(self, piece: str) -> int:
        self.pieces.append(piece)
        return super().write(piece)


@pytest.mark.anyio
@pytest.mark.usefixtures("log")
async def test_the_requests_of_a_turn_are_written_together_as_it_ends() -> None:
    stream, logger = Pieces(), get_logger("app.access")
    configure_logging(level="INFO", json_lines=True, stream=stream)

    for path in ("/a", "/b", "/c"):
        with log_context(request_id=f"id-of{path}"):
            log_request(logger, "GET", path, 200, duration_ms=1)
    assert stream.pieces == []
    await asyncio.sleep(0)

    (together,) = stream.pieces
    lines = [json.loads(line) for line in together.splitlines()]
    assert [(line["path"], line["request_id"]) for line in lines] == [(f"/{x}", f"id-of/{x}") for x in "abc"]


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
    # Not by `log.lines`, which would write what waits.
    assert [json.loads(line)["path"] for line in log.stream.getvalue().splitlines()] == ["/left", "/next"]
    stopped.run_until_complete(task)
    stopped.close()


def test_log_request_loses_no_line_of_any_thread(log: Log) -> None:
    logger = get_logger("app.access")

    async def log_some(first: int) -> None:
        for number in range(first, first + 100):
            log_request(logger, "GET", f"/{number}", 200, duration_ms=1)
            if number % 7 == 0:
                await asyncio.sleep(0)

    threads = [
        threading.Thread(target=lambda first=first: asyncio.run(log_some(first))) for first in range(0, 800, 100)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sorted(int(line["path"][1:]) for line in log.lines) == list(range(800))


@pytest.mark.anyio
async def test_the_line_of_a_request_tells_when_it_was_answered(log: Log) -> None:
    log_request(get_logger("app.access"), "GET", "/a", 200, duration_ms=1)
    answered = datetime.now(UTC)
    time.sleep(0.01)  # noqa: ASYNC251 — this turn lasts
    await asyncio.sleep(0)

    assert datetime.fromisoformat(log.line["timestamp"]) <= answered


def test_a_query_is_a_line_when_asked_for(log: Log) -> None:
    log_db_query(get_logger("app.db"), "SELECT 1\n   FROM things", duration_ms=1.23456, rows=3)
    assert log.text == ""

    configure_logging(level="DEBUG", json_lines=True, stream=log.stream)
    log_db_query(get_logger("app.db"), "SELECT 1\n   FROM things", duration_ms=1.23456, rows=3)
    assert {
        "event": "query",
        "statement": "SELECT 1 FROM things",
        "duration_ms": 1.23,
        "rows": 3,
    }.items() <= log.line.items()


def test_an_error_is_a_line_with_its_facts(log: Log) -> None:
    error = ExternalServiceError("billing", "refused", operation="orders.pay", details={"attempts": 3})

    log_error(get_logger("app"), error, context={"order": 7})

    expected = {
        "error_code": "EXTERNAL_SERVICE_ERROR",
        "operation": "orders.pay",
        "order": 7,
        "details": {"service": "billing", "attempts": 3},
    }
    assert expected.items() <= log.line.items()
    assert "ExternalServiceError: billing: refused" in log.line["exception"]


def test_a_foreign_error_is_a_line_with_its_name(log: Log) -> None:
    log_error(get_logger("app"), KeyError("missing"))

    assert (log.line["error"], log.line["message"]) == ("KeyError", "'missing'")
    assert "KeyError" in log.line["exception"]
