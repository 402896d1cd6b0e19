"""Setting structlog up, and routing the standard library's records through the same processors.

Every line, whoever wrote it, goes: context of the request → level, time, logger → exception → redaction → renderer.
Redaction is a processor and not a filter on the root logger: filters there never see the records of child loggers.
"""

import logging
import sys
from collections.abc import Mapping
from typing import Any, Final, TextIO, cast

import structlog
from structlog.typing import EventDict, FilteringBoundLogger, Processor, WrappedLogger

from app.core.redaction import REDACTED, is_sensitive, redact

# Loggers that other libraries set up for themselves; their lines are ours to format.
_FOREIGN_LOGGERS: Final = ("uvicorn", "uvicorn.error", "uvicorn.asgi")
# Writes a second line per request, without its id.
_SILENT_LOGGER: Final = "uvicorn.access"


# The event is a constant sentence; what varies goes into keywords, or into `extra={...}`.
Logger = FilteringBoundLogger


def get_logger(name: str) -> Logger:
    """The logger of a module, called with its `__name__`. Costs nothing until it is used."""
    return cast("Logger", structlog.get_logger(logger_name=name))


def configure_logging(*, level: str, json_lines: bool, stream: TextIO | None = None) -> None:
    """Route everything this process logs to one stream, in one format. Calling it again replaces the former set-up.

    Args:
        level: The least severe level that is written, such as "INFO".
        json_lines: JSON for machines, else colours for people (when the stream is a terminal).
        stream: Standard output unless told otherwise.
    """
    out = stream or sys.stdout
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        _flatten_extra,
    ]
    rendering: list[Processor] = [
        structlog.processors.format_exc_info,
        _redact,
        structlog.processors.JSONRenderer(ensure_ascii=False, default=str)
        if json_lines
        else structlog.dev.ConsoleRenderer(colors=out.isatty()),
    ]
    structlog.configure(
        processors=[*shared, *rendering],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.WriteLoggerFactory(out),
        cache_logger_on_first_use=False,
    )
    handler = logging.StreamHandler(out)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[*shared, structlog.stdlib.ExtraAdder(), _name_logger],
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


def _flatten_extra(_logger: WrappedLogger, _method: str, event_dict: EventDict) -> EventDict:
    """Accept the standard library's habit of `extra={...}` beside keywords; keywords win."""
    if name := event_dict.pop("logger_name", None):
        event_dict["logger"] = name
    extra: Mapping[str, Any] | None = event_dict.pop("extra", None)
    return {**extra, **event_dict} if extra else event_dict


def _name_logger(_logger: WrappedLogger, _method: str, event_dict: EventDict) -> EventDict:
    record: logging.LogRecord | None = event_dict.get("_record")
    if record is not None:
        event_dict["logger"] = record.name
        # uvicorn's second copy of the message, with colours in it.
        event_dict.pop("color_message", None)
    return event_dict


def _redact(_logger: WrappedLogger, _method: str, event_dict: EventDict) -> EventDict:
    return {
        key: REDACTED if value is not None and is_sensitive(key) else redact(value) for key, value in event_dict.items()
    }
