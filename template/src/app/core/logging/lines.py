"""The steps in which a line of the log is made; structlog calls them processors."""

import logging
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final

import pydantic_core

from app.core.logging.context import log_context_values
from app.core.redaction import REDACTED, is_sensitive, redact

# structlog imports rich wherever that is installed, for tracebacks that it does not draw here: 45 ms of each start.
# None is what the import system takes for "not there" (Python reference, 5.3.1).
_is_rich_absent = "rich" not in sys.modules
if _is_rich_absent:
    sys.modules["rich"] = None  # type: ignore[assignment]
import structlog as structlog  # noqa: E402, PLC0414 — from here alone

if _is_rich_absent:
    del sys.modules["rich"]

EventDict = structlog.typing.EventDict
Processor = structlog.typing.Processor
WrappedLogger = structlog.typing.WrappedLogger

# A line's own facts, which are made here.
_OWN: Final = frozenset({"level", "logger", "timestamp"})
# With the ids of the request, which were validated on their way in.
OURS: Final = _OWN | {"request_id", "trace_id", "user_id"}
# The names with which structlog hands a line from step to step.
_HANDED: Final = frozenset({"_from_structlog", "_record", "event", "exc_info", "logger_name", "stack_info"})
_RESERVED: Final = _OWN | _HANDED | {"exception", "stack"}
# Methods that are not named like their level.
_LEVEL_OF: Final = {"exception": "error", "warn": "warning"}


def complete(_logger: WrappedLogger, method: str, event_dict: EventDict) -> EventDict:
    """Add the line's context, level, time and logger, in one step: each processor costs more than what it does."""
    line = {name: value for name, value in log_context_values().items() if name not in _RESERVED}
    facts = facts_of(event_dict.pop("extra", None))
    name = event_dict.pop("logger_name", None)
    for key, value in event_dict.items():
        if key in _HANDED:
            line[key] = value
        else:
            facts = {key: value, **facts}
    if name:
        line["logger"] = name
    line["level"] = _LEVEL_OF.get(method, method)
    line["timestamp"] = timestamp(datetime.now(UTC))
    return add_facts(line, facts)


def facts_of(extra: object) -> Mapping[Any, object]:
    """Return what was given as `extra={...}`, or by mistake as something else."""
    return extra if isinstance(extra, Mapping) else {} if extra is None else {"extra": extra}


def add_facts(line: EventDict, facts: Mapping[Any, object]) -> EventDict:
    """Put facts on a line under their names, or with an underscore behind where the name is the line's own.

    A fact called `event` would replace the sentence, one called `request_id` the request.
    """
    for key, value in facts.items():
        name = str(key)
        while name in line or name in _RESERVED:
            name += "_"
        line[name] = value
    return line


def timestamp(moment: datetime) -> str:
    """Return a moment in UTC as text."""
    return moment.isoformat(timespec="microseconds").removesuffix("+00:00") + "Z"


_extra_of: Final = structlog.stdlib.ExtraAdder()


def complete_record(logger: WrappedLogger, method: str, event_dict: EventDict) -> EventDict:
    """Complete a line of the standard library, whose record knows its logger and what was given as `extra`."""
    record: logging.LogRecord = event_dict["_record"]
    line = complete(logger, method, {**event_dict, "logger_name": record.name})
    facts = _extra_of(logger, method, {"_record": record})
    # Ours already; and uvicorn's second copy of the message, with colours in it.
    return add_facts(line, {key: value for key, value in facts.items() if key not in {"_record", "color_message"}})


def redact_line(_logger: WrappedLogger, _method: str, event_dict: EventDict) -> EventDict:
    """Return the line without secrets, whether their name tells them or their shape."""
    return {
        key: value if key in _OWN else REDACTED if value is not None and is_sensitive(key) else redact(value)
        for key, value in event_dict.items()
    }


def to_json(_logger: WrappedLogger, _method: str, event_dict: EventDict) -> str:
    """Encode the line three times as fast as the standard library; what is left in it by now is plain data."""
    return pydantic_core.to_json(event_dict, fallback=str).decode()
