"""Structured logging: one line per event, with the request it belongs to and without secrets.

Every line, of any logger, goes: facts, context of the request, level, time, logger → exception → redaction → renderer.
Redaction is a step and not a filter on the root logger: filters there never see the records of child loggers.
"""

import asyncio
import logging
import sys
from collections import deque
from collections.abc import Iterator, Mapping, Set
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime
from functools import partialmethod
from types import MappingProxyType
from typing import Any, Final, NamedTuple, TextIO

import pydantic_core

from app.core.exceptions import AppException
from app.core.redaction import REDACTED, is_sensitive, redact

# structlog imports rich wherever that is installed, for tracebacks that it does not draw here: 45 ms of each start.
# None is what the import system takes for "not there" (Python reference, 5.3.1).
sys.modules.setdefault("rich", None)  # type: ignore[arg-type]
import structlog  # noqa: E402

if sys.modules.get("rich") is None:
    del sys.modules["rich"]

EventDict = structlog.typing.EventDict

_SAFE: Final = frozenset({"level", "logger", "timestamp"})
_OWN: Final = _SAFE | {"event", "exc_info", "exception", "stack"}
# In lines of requests and jobs these are constants and numbers of the code, or validated on their way in.
_SAFE_LATER: Final = _SAFE | {"event", "request_id", "trace_id", "user_id", "job_type", "status", "duration_ms"}
# A record's own; uvicorn adds another copy of the message, with colours in it.
_OF_RECORDS: Final = vars(logging.makeLogRecord({})).keys() | {"message", "asctime", "color_message"}
_LEVELS: Final = {name.lower(): level for name, level in logging.getLevelNamesMapping().items()}
_FAILED: Final = 500  # HTTP's statuses from here on say that the server has failed

_CLOSED: Final[Mapping[str, str]] = MappingProxyType({})
# Replaced, never changed: tasks that were started in between keep what they were started with.
_context: Final[ContextVar[Mapping[str, str]]] = ContextVar("log_context", default=_CLOSED)
# The request as the server and the framework know it (ASGI, "HTTP Connection Scope"): the route comes in on its way.
request_scope: Final[ContextVar[Mapping[str, Any]]] = ContextVar("request_scope", default=_CLOSED)


@contextmanager
def log_context(**values: str) -> Iterator[None]:
    """Put these values on every line logged inside, by any logger; they follow the task, not the thread."""
    token = _context.set({**_context.get(), **values})
    try:
        yield
    finally:
        _context.reset(token)


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


def _to_json(_logger: object, _method: str, line: EventDict) -> str:
    """Encode the line three times as fast as the standard library; what is left in it by now is plain data."""
    return pydantic_core.to_json(line, fallback=str).decode()


class _SetUp(NamedTuple):
    """The least level that is written, the last step of a line, and the stream; None is standard output."""

    level: int
    render: structlog.typing.Processor
    stream: TextIO | None

    def text(self, line: EventDict, *, safe: Set[str] = _SAFE) -> str:
        """Return the text of a line without secrets, whether their name tells them or their shape."""
        line = structlog.processors.format_exc_info(None, "", line)
        redacted = {
            key: value if key in safe else REDACTED if value is not None and is_sensitive(key) else redact(value)
            for key, value in line.items()
        }
        return str(self.render(None, "", redacted))

    def write(self, text: str) -> None:
        stream = self.stream or sys.stdout
        stream.write(f"{text}\n")
        stream.flush()


# Made anew by each `configure_logging()`.
_current = _SetUp(logging.INFO, structlog.dev.ConsoleRenderer(colors=False), None)


class Logger(structlog.BoundLoggerBase):
    """A logger of structlog's. The event is a constant sentence; what varies goes into keywords, or `extra={...}`.

    They may have any name; one that the line has already, such as `event`, is logged as `event_`.
    """

    def line(self, level: str, event: str, facts: Mapping[Any, object]) -> EventDict:
        """Return a line of the facts, the context of the request and what the line has of its own."""
        context = _context.get()
        said = {f"{name}_" if name in _OWN or name in context else str(name): fact for name, fact in facts.items()}
        own = {"event": event, "level": level, "timestamp": datetime.now(UTC)}
        return {**said, **context, **self._context, **own}

    def _log(
        self,
        level: str,
        event: str,
        /,
        *args: object,
        exc_info: object = None,
        extra: Mapping[Any, object] | None = None,
        **facts: object,
    ) -> None:
        if _LEVELS[level] >= _current.level:
            line = self.line(level, event % args if args else event, {**(extra or {}), **facts})
            _current.write(_current.text({**line, "exc_info": exc_info}))

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
    return Logger(None, (), {"logger": name})


class _Formatter(logging.Formatter):
    """Makes the same lines of the standard library's records; what is given as `extra` there is in them."""

    def format(self, record: logging.LogRecord) -> str:
        extra = {name: fact for name, fact in vars(record).items() if name not in _OF_RECORDS}
        line = get_logger(record.name).line(record.levelname.lower(), record.getMessage(), extra)
        return _current.text({**line, "exc_info": record.exc_info})


def configure_logging(*, level: str, json_lines: bool, stream: TextIO | None = None) -> None:
    """Route all that this process logs to one stream, standard output unless given, as JSON or as text for people."""
    global _current  # noqa: PLW0603 — one for the process, like the log
    out = stream or sys.stdout
    render = _to_json if json_lines else structlog.dev.ConsoleRenderer(colors=out.isatty())
    _current = _SetUp(_LEVELS[level.lower()], render, out)
    handler = logging.StreamHandler(out)
    handler.setFormatter(_Formatter())
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(level)
    logging.getLogger("uvicorn.error").addFilter(_says_more_than_the_access_log)
    # Two write whole URLs and headers, with queries and cookies; the third counts each file that Python compiles.
    for name in ("httpx", "httpcore", "watchfiles"):
        logging.getLogger(name).setLevel(logging.WARNING)


def _says_more_than_the_access_log(record: logging.LogRecord) -> bool:
    """Leave out the server's own lines about web sockets, which hold the query string."""
    return record.levelno > logging.INFO or not record.module.startswith("websockets")


# The lines that wait for the turn's end.
_waiting: Final[deque[EventDict]] = deque()


def log_request(logger: Logger, method: str, path: str, status: int, *, duration_ms: float) -> None:
    """Log that a request was answered, by its path without the query string; a warning from status 500 on."""
    level = "warning" if status >= _FAILED else "info"
    log_later(logger, level, "request", method=method, path=path, status=status, duration_ms=round(duration_ms, 2))


def log_later(logger: Logger, level: str, event: str, **facts: str | float) -> None:
    """Log a line of each request or job when this turn of the event loop ends; before, it costs four times as much."""
    if _LEVELS[level] < _current.level:
        return
    _waiting.append(logger.line(level, event, facts))
    try:
        asyncio.get_running_loop().call_soon(flush_lines)
    except RuntimeError:  # there is no loop, and no turn to wait for
        flush_lines()


def flush_lines() -> None:
    """Write the lines that wait for the end of the turn, now, in one piece."""
    texts = []
    while _waiting:
        texts.append(_current.text(_waiting.popleft(), safe=_SAFE_LATER))
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
    logger.error("error", extra={**(context or {}), **facts}, exc_info=err)
