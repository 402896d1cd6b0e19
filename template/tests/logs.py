"""Reading what was logged, and the statements that requests send to the database."""

import io
import json
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from app.core import logging as application_log
from app.core.logging import configure_logging, flush_lines

_COUNTED = frozenset({"SELECT", "INSERT", "UPDATE", "DELETE", "WITH", "COPY"})


class Log:
    """The lines logged so far."""

    def __init__(self) -> None:
        self.stream = io.StringIO()

    @property
    def text(self) -> str:
        flush_lines()
        return self.stream.getvalue()

    @property
    def lines(self) -> list[dict[str, Any]]:
        """One object for each line; what JSON does not have, such as NaN, fails the test."""
        return [json.loads(line, parse_constant=pytest.fail) for line in self.text.split("\n") if line]

    @property
    def line(self) -> dict[str, Any]:
        """The only line."""
        (line,) = self.lines
        return line

    def events(self, event: str) -> list[dict[str, Any]]:
        """The lines that say this."""
        return [line for line in self.lines if line["event"] == event]


@contextmanager
def logging_as_it_was() -> Iterator[None]:
    """Whatever is set up inside ends with the block."""
    current = application_log._current
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    try:
        yield
    finally:
        flush_lines()
        application_log._current = current
        root.handlers[:] = handlers
        root.setLevel(level)


@contextmanager
def captured_log(*, level: str = "INFO", json_lines: bool = True) -> Iterator[Log]:
    """The lines logged inside the block."""
    log = Log()
    with logging_as_it_was():
        configure_logging(level=level, json_lines=json_lines, stream=log.stream)
        yield log


@contextmanager
def at_most(number: int) -> Iterator[None]:
    """Fail when the requests in the block take more statements than it says; BEGIN, COMMIT and savepoints are none."""
    with captured_log(level="DEBUG") as log:
        yield
    lines = [line for line in log.events("query") if "request_id" in line]
    sent = [line["statement"] for line in lines if line["statement"].split()[0] in _COUNTED]
    if len(sent) > number:
        pytest.fail("\n".join([f"{len(sent)} statements, where at most {number} were to be", *sent]))
