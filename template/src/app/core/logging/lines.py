"""The content of a line of the log: its own facts, those of the request it belongs to, and no secrets."""

import logging
import sys
from collections.abc import Mapping
from contextlib import AbstractContextManager
from contextvars import ContextVar
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Any, Final

import pydantic_core

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

IDS: Final = frozenset({"request_id", "trace_id", "user_id"})  # of the request, validated on their way in
_OWN: Final = frozenset({"level", "logger", "timestamp"})  # a line's own facts, which are made here
# The names with which structlog hands a line from step to step.
_HANDED: Final = frozenset({"_from_structlog", "_record", "event", "exc_info", "stack_info"})
_RESERVED: Final = _OWN | _HANDED | {"exception", "stack"}

_CLOSED: Final[Mapping[str, str]] = MappingProxyType({})
# Replaced, never changed: tasks that were started in between keep what they were started with.
_context: Final[ContextVar[Mapping[str, str]]] = ContextVar("log_context", default=_CLOSED)


class log_context(AbstractContextManager[None]):  # noqa: N801 — used like a function; a generator takes twice as long
    """Puts these values on every line logged inside, by any logger; they follow the task, not the thread."""

    def __init__(self, **values: str) -> None:
        self._values = values

    def __enter__(self) -> None:
        self._token = _context.set({**_context.get(), **self._values})

    def __exit__(self, *_raised: object) -> None:
        _context.reset(self._token)


def bind_log_context(**values: str) -> bool:
    """Put these values on every further line of this request; return False outside of one, where nothing ends."""
    if _context.get() is _CLOSED:
        return False
    _context.set({**_context.get(), **values})
    return True


def log_context_values() -> Mapping[str, str]:
    """Return the values on each line of the log here."""
    return _context.get()


def current_request_id() -> str | None:
    """Return the id of the request this code runs for; None outside of one."""
    return _context.get().get("request_id")


def complete(_logger: object, method: str, event_dict: EventDict) -> EventDict:
    """Add the line's context, level, time and logger, and its facts under names that are free."""
    extra, name = event_dict.pop("extra", {}), event_dict.pop("logger_name", "")
    handed = {key: event_dict.pop(key) for key in _HANDED & event_dict.keys()}
    line = {**_context.get(), **handed, "logger": name, "level": method, "timestamp": datetime.now(UTC)}
    return add_facts(line, {**event_dict, **extra})


def add_facts(line: EventDict, facts: Mapping[Any, object]) -> EventDict:
    """Put facts on a line under their names, or with an underscore behind where the name is taken, as `event` is."""
    for key, value in facts.items():
        name = str(key)
        while name in line or name in _RESERVED:
            name += "_"
        line[name] = value
    return line


_extra_of: Final = structlog.stdlib.ExtraAdder()


def complete_record(logger: logging.Logger, method: str, event_dict: EventDict) -> EventDict:
    """Complete a line of the standard library, whose record knows its logger and what was given as `extra`."""
    record: logging.LogRecord = event_dict["_record"]
    extra = _extra_of(logger, method, {"_record": record})
    # uvicorn's is another copy of the message, with colours in it.
    facts = {key: value for key, value in extra.items() if key not in {"_record", "color_message"}}
    return complete(logger, method, {**event_dict, "logger_name": record.name, "extra": facts})


def redact_line(_logger: object, _method: str, event_dict: EventDict) -> EventDict:
    """Return the line without secrets, whether their name tells them or their shape."""
    return {
        key: value if key in _OWN else REDACTED if value is not None and is_sensitive(key) else redact(value)
        for key, value in event_dict.items()
    }


def to_json(_logger: object, _method: str, event_dict: EventDict) -> str:
    """Encode the line three times as fast as the standard library; what is left in it by now is plain data."""
    return pydantic_core.to_json(event_dict, fallback=str).decode()
