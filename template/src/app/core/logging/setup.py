"""Setting structlog up, and routing the standard library's records through the same processors.

Every line, of any logger, goes: context of the request → level, time, logger → exception → redaction → renderer.
The lines of requests go a shorter way to the same end (`records.log_request`).
Redaction is a processor and not a filter on the root logger: filters there never see the records of child loggers.
"""

import logging
import sys
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any, Final, NamedTuple, Protocol, TextIO, cast

from app.core.logging.lines import (
    EventDict,
    Processor,
    WrappedLogger,
    complete,
    complete_record,
    facts_of,
    redact_line,
    structlog,
    to_json,
)

# Loggers that other libraries set up for themselves; their lines are ours to format.
_SERVER_LOGGER: Final = "uvicorn.error"
_FOREIGN_LOGGERS: Final = ("uvicorn", _SERVER_LOGGER, "uvicorn.asgi")
# Writes a second line per request, without its id.
_SILENT_LOGGER: Final = "uvicorn.access"
# Write whole URLs and headers, with queries and cookies; app.core.http has a line of its own for each call.
_LOOSE_LOGGERS: Final = ("httpx", "httpcore")


class _SetUp(NamedTuple):
    """The level, form and stream of a line."""

    level: int
    render: Callable[[WrappedLogger, str, EventDict], str]
    writer: structlog.WriteLogger


# The methods of a logger that write a line; `log` takes a level first, and is structlog's own.
_WRITING: Final = frozenset({"critical", "debug", "error", "exception", "fatal", "info", "msg", "warn", "warning"})

# Made anew by each `configure_logging()`.
_current: _SetUp | None = None


class Logger(structlog.typing.FilteringBoundLogger, Protocol):
    """A logger of structlog's. The event is a constant sentence; what varies goes into keywords, or `extra={...}`.

    A keyword may have any name; one that the line itself needs, such as `event`, is logged as `event_`.
    """

    name: str


def get_logger(name: str) -> Logger:
    """Return the logger of a module, by its `__name__`. Costs nothing until it is used."""
    return cast("Logger", _LazyLogger(name))


class _LazyLogger:
    """Binds itself to the set-up when it is first used, and again when there is another one.

    structlog's own either does so for every line, which costs as much as the rest of the line, or never again.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self._set_up: _SetUp | None = None
        self._bound: Any = None

    def __getattr__(self, method: str) -> Any:  # noqa: ANN401 — whatever the bound logger has
        if self._set_up is not _current or self._bound is None:
            self._bound = structlog.get_logger(logger_name=self.name).bind()
            self._set_up = _current
        found = getattr(self._bound, method)
        return partial(_write, found) if method in _WRITING else found


def _write(method: Callable[..., Any], event: str, /, *args: object, extra: object = None, **facts: object) -> Any:  # noqa: ANN401 — structlog's
    """Hand facts on apart from the arguments of structlog's own method, which has some of the same names."""
    own = {name: facts.pop(name) for name in ("exc_info", "stack_info") if name in facts}
    return method(event, *args, extra={**facts_of(extra), **facts}, **own)


def configure_logging(*, level: str, json_lines: bool, stream: TextIO | None = None) -> None:
    """Route everything this process logs to one stream, in one format. Calling it again replaces the former set-up.

    Args:
        level: The least severe level that is written, such as "INFO".
        json_lines: JSON for machines, else colours for people (when the stream is a terminal).
        stream: Standard output unless told otherwise.
    """
    global _current  # noqa: PLW0603 — read for every line, which a call would slow down
    out = stream or sys.stdout
    render = to_json if json_lines else structlog.dev.ConsoleRenderer(colors=out.isatty())
    rendering: list[Processor] = [structlog.processors.format_exc_info, redact_line, render]
    writer = structlog.WriteLogger(out)
    structlog.configure(
        processors=[complete, *rendering],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        # One for all: making one per line costs more than writing the line.
        logger_factory=lambda *_args: writer,
        cache_logger_on_first_use=False,
    )
    _current = _SetUp(logging.getLevelNamesMapping()[level], render, writer)
    handler = logging.StreamHandler(out)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[complete_record],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *rendering],
        )
    )
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(level)
    for name in _FOREIGN_LOGGERS:
        foreign = logging.getLogger(name)
        foreign.handlers.clear()
        foreign.propagate = True
    logging.getLogger(_SERVER_LOGGER).addFilter(_says_more_than_the_access_log)
    logging.getLogger(_SILENT_LOGGER).propagate = False
    for name in _LOOSE_LOGGERS:
        logging.getLogger(name).setLevel(logging.WARNING)


def _says_more_than_the_access_log(record: logging.LogRecord) -> bool:
    """Leave out the server's own lines about web sockets, which hold the query string."""
    return record.levelno > logging.INFO or not record.module.startswith("websockets")


def write_lines(lines: Iterable[tuple[int, EventDict]]) -> None:
    """Write lines that are complete and without secrets, all in one piece.

    Args:
        lines: Each with its level as a number of `logging`'s; those below the level that is written are left out.
    """
    if _current is None:
        configure_logging(level="INFO", json_lines=False)
    level, render, writer = cast("_SetUp", _current)
    if texts := [render(None, "", line) for severity, line in lines if severity >= level]:
        writer.msg("\n".join(texts))
