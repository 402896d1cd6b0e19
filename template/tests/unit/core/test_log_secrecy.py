"""Secrets, which no line of the log holds, whichever way they come."""

import logging
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from app.core.exceptions import ExternalServiceError
from app.core.logging import configure_logging, get_logger, log_context, log_error, log_request
from tests.logs import Log, logging_as_it_was

SECRET = "Xq7planted"
JWT = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJYcTdwbGFudGVkIn0.c2lnWHE3cGxhbnRlZA"


@pytest.fixture(autouse=True)
def _logging_as_it_was() -> Iterator[None]:
    with logging_as_it_was():
        yield


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


@pytest.mark.parametrize("write", ["ours", "standard"])
def test_an_exception_has_its_whole_story(log: Log, write: str) -> None:
    _with_exception(get_logger("a").exception if write == "ours" else logging.getLogger("a").exception)

    assert log.line["level"] == "error"
    assert "Traceback" in log.line["exception"]
    assert "ValueError" in log.line["exception"]
    assert "direct cause" in log.line["exception"]
