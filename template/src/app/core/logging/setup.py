"""Setting structlog up, and routing the standard library's records through the same processors.

Every line, whoever wrote it, goes: context of the request → level, time, logger → exception → redaction → renderer.
Redaction is a processor and not a filter on the root logger: filters there never see the records of child loggers.
"""

import logging
import sys
from datetime import UTC, datetime
from typing import Any, Final, TextIO, cast

from pydantic_core import to_json

from app.core.logging.context import log_context_values
from app.core.logging.renderer import structlog
from app.core.redaction import REDACTED, is_sensitive, redact

# Loggers that other libraries set up for themselves; their lines are ours to format.
_FOREIGN_LOGGERS: Final = ("uvicorn", "uvicorn.error", "uvicorn.asgi")
# Writes a second line per request, without its id.
_SILENT_LOGGER: Final = "uvicorn.access"
# Write whole URLs and headers, with queries and cookies; app.core.http has a line of its own for each call.
_LOOSE_LOGGERS: Final = ("httpx", "httpcore")
# Methods that are not named like their level.
_LEVEL_OF: Final = {"exception": "error", "warn": "warning"}
# Values that the processors above the redaction made, or that were validated on their way in.
_OURS: Final = frozenset({"level", "logger", "request_id", "timestamp", "trace_id", "user_id"})


EventDict = structlog.typing.EventDict
Processor = structlog.typing.Processor
WrappedLogger = structlog.typing.WrappedLogger

# The event is a constant sentence; what varies goes into keywords, or into `extra={...}`.
Logger = structlog.typing.FilteringBoundLogger


def get_logger(name: str) -> Logger:
    """The logger of a module, called with its `__name__`. Costs nothing until it is used."""
    return cast("Logger", _LazyLogger(name))


class _LazyLogger:
    """Binds itself to the set-up when it is first used, and again when there is another one.

    structlog's own either does so for every line, which costs as much as the rest of the line, or never again.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self._set_up: object = None
        self._bound: Any = None

    def __getattr__(self, method: str) -> Any:  # noqa: ANN401 — whatever the bound logger has
        processors = structlog.get_config()["processors"]
        if self._set_up is not processors:
            self._bound = structlog.get_logger(logger_name=self._name).bind()
            self._set_up = processors
        return getattr(self._bound, method)


def configure_logging(*, level: str, json_lines: bool, stream: TextIO | None = None) -> None:
    """Route everything this process logs to one stream, in one format. Calling it again replaces the former set-up.

    Args:
        level: The least severe level that is written, such as "INFO".
        json_lines: JSON for machines, else colours for people (when the stream is a terminal).
        stream: Standard output unless told otherwise.
    """
    out = stream or sys.stdout
    rendering: list[Processor] = [
        structlog.processors.format_exc_info,
        _redact,
        _to_json if json_lines else structlog.dev.ConsoleRenderer(colors=out.isatty()),
    ]
    writer = structlog.WriteLogger(out)
    structlog.configure(
        processors=[_complete, *rendering],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        # One for all: making one per line costs more than writing the line.
        logger_factory=lambda *_args: writer,
        cache_logger_on_first_use=False,
    )
    handler = logging.StreamHandler(out)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[_complete, structlog.stdlib.ExtraAdder(), _name_logger],
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
    logging.getLogger(_SILENT_LOGGER).propagate = False
    for name in _LOOSE_LOGGERS:
        logging.getLogger(name).setLevel(logging.WARNING)


def _complete(_logger: WrappedLogger, method: str, event_dict: EventDict) -> EventDict:
    """The line's context, level, time and logger, in one step: each processor costs more than what it does.

    Keywords win over the standard library's habit of `extra={...}`, and both win over the request's context.
    """
    line = dict(log_context_values())
    if extra := event_dict.pop("extra", None):
        line.update(extra)
    if name := event_dict.pop("logger_name", None):
        line["logger"] = name
    line.update(event_dict)
    line["level"] = _LEVEL_OF.get(method, method)
    line["timestamp"] = datetime.now(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
    return line


def _name_logger(_logger: WrappedLogger, _method: str, event_dict: EventDict) -> EventDict:
    record: logging.LogRecord | None = event_dict.get("_record")
    if record is not None:
        event_dict["logger"] = record.name
        # uvicorn's second copy of the message, with colours in it.
        event_dict.pop("color_message", None)
    return event_dict


def _redact(_logger: WrappedLogger, _method: str, event_dict: EventDict) -> EventDict:
    return {
        key: value if key in _OURS else REDACTED if value is not None and is_sensitive(key) else redact(value)
        for key, value in event_dict.items()
    }


def _to_json(_logger: WrappedLogger, _method: str, event_dict: EventDict) -> str:
    """Three times as fast as the standard library's encoder; what is left in the line by now is plain data."""
    return to_json(event_dict, fallback=str).decode()
