"""What a line of the log knows about the request it belongs to: values that follow the task, not the thread."""

from collections.abc import Mapping
from contextlib import AbstractContextManager
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


def log_context(**values: str) -> AbstractContextManager[None]:
    """Put these values on every line logged inside, by whoever; what is bound inside ends with it."""
    return _Bound(values)


class _Bound(AbstractContextManager[None]):
    """A class and no generator: every request enters one, and this costs it half as much."""

    __slots__ = ("_token", "_values")

    def __init__(self, values: Mapping[str, str]) -> None:
        self._values = values
        self._token: Token[Mapping[str, str]] | None = None

    def __enter__(self) -> None:
        self._token = _context.set({**_context.get(), **self._values})

    def __exit__(self, *_raised: object) -> None:
        if self._token is not None:
            _context.reset(self._token)


def log_context_values() -> Mapping[str, str]:
    """What is bound at the moment."""
    return _context.get()
