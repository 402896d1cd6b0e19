"""Setting structlog up, and routing the standard library's records through the same steps.

Every line, of any logger, goes: context of the request → level, time, logger → exception → redaction → renderer.
The lines of requests go a shorter way to the same end (`records.log_request`).
Redaction is a step and not a filter on the root logger: filters there never see the records of child loggers.
"""

import logging
import sys
from collections.abc import Iterable, Mapping
from functools import partialmethod
from typing import Any, Final, NamedTuple, TextIO

from app.core.logging.lines import EventDict, complete, complete_record, redact_line, structlog, to_json

# Loggers that uvicorn sets up for itself.
_SERVER_LOGGER: Final = "uvicorn.error"
_FOREIGN_LOGGERS: Final = ("uvicorn", _SERVER_LOGGER, "uvicorn.asgi")
# Writes a second line per request, without its id.
_SILENT_LOGGER: Final = "uvicorn.access"
# Write whole URLs and headers, with queries and cookies.
_LOOSE_LOGGERS: Final = ("httpx", "httpcore")
_LEVELS: Final = {name.lower(): level for name, level in logging.getLevelNamesMapping().items()}


class _SetUp(NamedTuple):
    """The least level that is written, the steps from a line to its text, and the stream; None is standard output."""

    level: int
    steps: list[structlog.typing.Processor]
    stream: TextIO | None


def _steps(*, json_lines: bool, colors: bool) -> list[structlog.typing.Processor]:
    render = to_json if json_lines else structlog.dev.ConsoleRenderer(colors=colors)
    return [structlog.processors.format_exc_info, redact_line, render]


# Made anew by each `configure_logging()`.
_current = _SetUp(logging.INFO, [complete, *_steps(json_lines=False, colors=False)], None)


class Logger(structlog.BoundLoggerBase):
    """A logger of structlog's. The event is a constant sentence; what varies goes into keywords, or `extra={...}`.

    A keyword may have any name; one that the line itself needs, such as `event`, is logged as `event_`.
    """

    @property
    def name(self) -> str:
        """The name of its module."""
        return str(self._context.get("logger_name", ""))

    def _log(
        self, method: str, event: str, /, *args: object, extra: Mapping[Any, object] | None = None, **facts: object
    ) -> None:
        if _LEVELS[method] < _current.level:
            return
        own = {name: facts.pop(name) for name in ("exc_info", "stack_info") if name in facts}
        line = {**self._context, **own, "event": event % args if args else event, "extra": {**(extra or {}), **facts}}
        for step in _current.steps:
            line = step(None, method, line)  # type: ignore[assignment]
        _write(str(line))

    debug = partialmethod(_log, "debug")
    info = partialmethod(_log, "info")
    warning = partialmethod(_log, "warning")
    error = partialmethod(_log, "error")
    critical = partialmethod(_log, "critical")
    exception = partialmethod(_log, "error", exc_info=True)


# For those who ask structlog itself.
structlog.configure(wrapper_class=Logger)


def get_logger(name: str) -> Logger:
    """Return the logger of a module, by its `__name__`."""
    return Logger(None, (), {"logger_name": name})


def configure_logging(*, level: str, json_lines: bool, stream: TextIO | None = None) -> None:
    """Route all that this process logs to one stream, standard output unless given, in one format.

    Args:
        level: The least severe level that is written, such as "INFO".
        json_lines: JSON for machines, else text for people, with colours on a terminal.
        stream: Where the lines go.
    """
    global _current  # noqa: PLW0603 — one for the process, like the log
    out = stream or sys.stdout
    steps = _steps(json_lines=json_lines, colors=out.isatty())
    _current = _SetUp(logging.getLevelNamesMapping()[level], [complete, *steps], out)
    handler = logging.StreamHandler(out)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[complete_record],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *steps],
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


def write_lines(lines: Iterable[EventDict]) -> None:
    """Write lines that are complete and without secrets, in one piece; those below the level are left out."""
    render = _current.steps[-1]
    if texts := [str(render(None, "", line)) for line in lines if _LEVELS[line["level"]] >= _current.level]:
        _write("\n".join(texts))


def _write(text: str) -> None:
    stream = _current.stream or sys.stdout
    stream.write(f"{text}\n")
    stream.flush()


def _says_more_than_the_access_log(record: logging.LogRecord) -> bool:
    """Leave out the server's own lines about web sockets, which hold the query string."""
    return record.levelno > logging.INFO or not record.module.startswith("websockets")
