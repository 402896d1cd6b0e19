"""The values that a line of the log has of the request it belongs to: they follow the task, not the thread."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar, Token
from types import MappingProxyType
from typing import Final

# Replaced, never changed: tasks that were started in between keep what they were started with. One variable instead
# of one per value, since it is read for every line and set for every request.
_context: Final[ContextVar[Mapping[str, str]]] = ContextVar("log_context", default=MappingProxyType({}))


def current_request_id() -> str | None:
    """The id of the request this code runs for; None outside of one."""
    return _context.get().get("request_id")


def current_trace_id() -> str | None:
    """The W3C trace this code runs for; None outside of one."""
    return _context.get().get("trace_id")


def bind_log_context(**values: str) -> None:
    """Put these values on every further line of this request; the request's end takes them off."""
    _context.set({**_context.get(), **values})


@contextmanager
def log_context(**values: str) -> Iterator[None]:
    """Put these values on every line logged inside, by any logger; what is bound inside ends with it."""
    token = push_log_context(values)
    try:
        yield
    finally:
        pop_log_context(token)


def push_log_context(values: Mapping[str, str]) -> Token[Mapping[str, str]]:
    """Do as `log_context`, for a caller with a block of its own: `pop_log_context` takes what it returns."""
    outer = _context.get()
    return _context.set({**outer, **values} if outer else values)


# Methods and no functions of our own around them: every request and every line of the log call these.
# Take off the lines what was put on them since `push_log_context`.
pop_log_context: Final[Callable[[Token[Mapping[str, str]]], None]] = _context.reset
# What is bound at the moment.
log_context_values: Final[Callable[[], Mapping[str, str]]] = _context.get
