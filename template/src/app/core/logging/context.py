"""The values that a line of the log has of the request it belongs to: they follow the task, not the thread."""

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from contextvars import ContextVar
from types import MappingProxyType
from typing import Final

_CLOSED: Final[Mapping[str, str]] = MappingProxyType({})
# Replaced, never changed: tasks that were started in between keep what they were started with. One variable instead
# of one per value, since it is read for every line and set for every request.
_context: Final[ContextVar[Mapping[str, str]]] = ContextVar("log_context", default=_CLOSED)

# A method and no function of our own around it: every line of the log calls this.
log_context_values: Final[Callable[[], Mapping[str, str]]] = _context.get


def current_request_id() -> str | None:
    """Return the id of the request this code runs for; None outside of one."""
    return _context.get().get("request_id")


def current_trace_id() -> str | None:
    """Return the W3C trace this code runs for; None outside of one."""
    return _context.get().get("trace_id")


def is_log_context_open() -> bool:
    """Return True inside of a `log_context`."""
    return _context.get() is not _CLOSED


def bind_log_context(**values: str) -> None:
    """Put these values on every further line of this request; the request's end takes them off."""
    _context.set({**_context.get(), **values})


class log_context(AbstractContextManager[None]):  # noqa: N801 — used like a function; a generator takes twice as long
    """Puts these values on every line logged inside, by any logger; what is bound inside ends with it."""

    __slots__ = ("_token", "_values")

    def __init__(self, **values: str) -> None:
        self._values = values

    def __enter__(self) -> None:
        self._token = _context.set({**_context.get(), **self._values})

    def __exit__(self, *_raised: object) -> None:
        _context.reset(self._token)
