"""Structured logging: one line per event, with the request it belongs to and without secrets.

Every line, of any logger, goes: context of the request → level, time, logger → exception → redaction → renderer.
The lines of requests and jobs go a shorter way to the same end (`log_later`).
Redaction is a step and not a filter on the root logger: filters there never see the records of child loggers.
"""

import asyncio
import logging
import sys
from collections import deque
from collections.abc import Mapping
from contextlib import AbstractContextManager
from contextvars import ContextVar
from datetime import UTC, datetime
from functools import partialmethod
from types import MappingProxyType
from typing import Any, Final, NamedTuple, TextIO

import pydantic_core

from app.core.exceptions import AppException
from app.core.redaction import REDACTED, is_sensitive, redact, redact_text

# structlog imports rich wherever that is installed, for tracebacks that it does not draw here: 45 ms of each start.
# None is what the import system takes for "not there" (Python reference, 5.3.1).
_is_rich_absent = "rich" not in sys.modules
if _is_rich_absent:
    sys.modules["rich"] = None  # type: ignore[assignment]
import structlog  # noqa: E402

if _is_rich_absent:
    del sys.modules["rich"]

EventDict = structlog.typing.EventDict

# Validated on their way in, or a constant of the code.
_IDS: Final = frozenset({"request_id", "trace_id", "user_id", "job_type"})
_OWN: Final = frozenset({"level", "logger", "timestamp"})  # a line's own facts, which are made here
# The names with which structlog hands a line from step to step.
_HANDED: Final = frozenset({"_from_structlog", "_record", "event", "exc_info", "stack_info"})
_RESERVED: Final = _OWN | _HANDED | {"exception", "stack"}
_LEVELS: Final = {name.lower(): level for name, level in logging.getLevelNamesMapping().items()}
_FAILED: Final = 500  # HTTP's statuses from here on say that the server has failed

_CLOSED: Final[Mapping[str, str]] = MappingProxyType({})
# Replaced, never changed: tasks that were started in between keep what they were started with.
_context: Final[ContextVar[Mapping[str, str]]] = ContextVar("log_context", default=_CLOSED)


# The request as the server and the framework know it (ASGI, "HTTP Connection Scope"): the route comes in on its way.
request_scope: Final[ContextVar[Mapping[str, Any]]] = ContextVar("request_scope", default=_CLOSED)


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


def current_route() -> str | None:
    """Return the route of the request this code runs for, as a template; None outside of one or until it is found."""
    return getattr(request_scope.get().get("route"), "path", None)


def current_request_id() -> str | None:
    """Return the id of the request this code runs for; None outside of one."""
    return _context.get().get("request_id")


def _complete(_logger: object, method: str, event_dict: EventDict) -> EventDict:
    """Complete a line with its own facts and the context's; what was said of it gets the names that are free."""
    extra, name = event_dict.pop("extra", {}), event_dict.pop("logger_name", "")
    handed = {key: event_dict.pop(key) for key in _HANDED & event_dict.keys()}
    line = {**_context.get(), **handed, "logger": name, "level": method, "timestamp": datetime.now(UTC)}
    return _add_facts(line, {**event_dict, **extra})


def _add_facts(line: EventDict, facts: Mapping[Any, object]) -> EventDict:
    """Put facts on a line under their names, or with an underscore behind where the name is taken, as `event` is."""
    for key, value in facts.items():
        name = str(key)
        while name in line or name in _RESERVED:
            name += "_"
        line[name] = value
    return line


_extra_of: Final = structlog.stdlib.ExtraAdder()


def _complete_record(logger: logging.Logger, method: str, event_dict: EventDict) -> EventDict:
    """Complete a line of the standard library, whose record knows its logger and what was given as `extra`."""
    record: logging.LogRecord = event_dict["_record"]
    extra = _extra_of(logger, method, {"_record": record})
    # uvicorn's is another copy of the message, with colours in it.
    facts = {key: value for key, value in extra.items() if key not in {"_record", "color_message"}}
    return _complete(logger, method, {**event_dict, "logger_name": record.name, "extra": facts})


def _redact_line(_logger: object, _method: str, event_dict: EventDict) -> EventDict:
    """Return the line without secrets, whether their name tells them or their shape."""
    return {
        key: value if key in _OWN else REDACTED if value is not None and is_sensitive(key) else redact(value)
        for key, value in event_dict.items()
    }


def _to_json(_logger: object, _method: str, event_dict: EventDict) -> str:
    """Encode the line three times as fast as the standard library; what is left in it by now is plain data."""
    return pydantic_core.to_json(event_dict, fallback=str).decode()


class _SetUp(NamedTuple):
    """The least level that is written, the steps from a line to its text, and the stream; None is standard output."""

    level: int
    steps: list[structlog.typing.Processor]
    stream: TextIO | None

    def write(self, text: str) -> None:
        stream = self.stream or sys.stdout
        stream.write(f"{text}\n")
        stream.flush()


def _steps(*, json_lines: bool, colors: bool) -> list[structlog.typing.Processor]:
    render = _to_json if json_lines else structlog.dev.ConsoleRenderer(colors=colors)
    return [structlog.processors.format_exc_info, _redact_line, render]


# Made anew by each `configure_logging()`.
_current = _SetUp(logging.INFO, [_complete, *_steps(json_lines=False, colors=False)], None)


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
        _current.write(str(line))

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
    _current = _SetUp(_LEVELS[level.lower()], [_complete, *steps], out)
    handler = logging.StreamHandler(out)
    remove = structlog.stdlib.ProcessorFormatter.remove_processors_meta
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(foreign_pre_chain=[_complete_record], processors=[remove, *steps])
    )
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(level)
    # uvicorn sets these up for itself.
    for foreign in map(logging.getLogger, ("uvicorn", "uvicorn.error", "uvicorn.asgi")):
        foreign.handlers.clear()
        foreign.propagate = True
    logging.getLogger("uvicorn.error").addFilter(_says_more_than_the_access_log)
    # Writes a second line per request, without its id.
    logging.getLogger("uvicorn.access").propagate = False
    # Write whole URLs and headers, with queries and cookies.
    for name in ("httpx", "httpcore"):
        logging.getLogger(name).setLevel(logging.WARNING)


def _says_more_than_the_access_log(record: logging.LogRecord) -> bool:
    """Leave out the server's own lines about web sockets, which hold the query string."""
    return record.levelno > logging.INFO or not record.module.startswith("websockets")


# The lines that wait for the turn's end: the context, what was said, and the line's own facts.
_waiting: Final[deque[tuple[Mapping[str, str], EventDict, EventDict]]] = deque()


def log_request(logger: Logger, method: str, path: str, status: int, *, duration_ms: float) -> None:
    """Log that a request was answered, when this turn ends; a warning from status 500 on.

    The path comes without the query string, which may hold personal data; the duration is in milliseconds.
    """
    level = "warning" if status >= _FAILED else "info"
    log_later(logger, level, "request", method=method, path=path, status=status, duration_ms=round(duration_ms, 2))


def log_later(logger: Logger, level: str, event: str, **facts: str | float) -> None:
    """Log a line of each request or job when this turn of the event loop ends, with those of the others.

    In the middle of a request it costs four times as much.
    """
    own: EventDict = {"event": event, "logger": logger.name, "level": level, "timestamp": datetime.now(UTC)}
    _waiting.append((_context.get(), facts, own))
    try:
        asyncio.get_running_loop().call_soon(flush_lines)
    except RuntimeError:  # there is no loop, and no turn to wait for
        flush_lines()


def flush_lines() -> None:
    """Write the lines that wait for the end of the turn, now, in one piece."""
    texts = []
    while _waiting:
        context, facts, own = _waiting.popleft()
        if _LEVELS[own["level"]] < _current.level:
            continue
        # There may be more than ids on the lines of this request.
        ids = context if _IDS.issuperset(context) else _redact_line(None, "", {**context})
        said = {name: redact_text(fact) if isinstance(fact, str) else fact for name, fact in facts.items()}
        texts.append(str(_current.steps[-1](None, "", {**ids, **said, **own})))
    if texts:
        _current.write("\n".join(texts))


def log_db_query(
    logger: Logger, statement: str, *, duration_ms: float, rows: int | None = None, slow: bool = False
) -> None:
    """Log that a statement with placeholders ran for so many milliseconds, with rows and route; a warning if slow."""
    log = logger.warning if slow else logger.debug
    facts = {"statement": " ".join(statement.split()), "rows": rows, "route": current_route()}
    log("query", duration_ms=round(duration_ms, 2), **facts)


def log_error(logger: Logger, err: BaseException, *, context: Mapping[str, object] | None = None) -> None:
    """Log an error with its traceback, its facts if it is one of this application's, and those of the context."""
    facts = err.to_dict() if isinstance(err, AppException) else {"error": type(err).__name__, "message": err}
    facts = {name: fact for name, fact in facts.items() if fact is not None and name != "timestamp"}
    logger.error("error", extra=_add_facts(facts, context or {}), exc_info=err)
