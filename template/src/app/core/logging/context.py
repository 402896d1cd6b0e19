"""What a line of the log knows about the request it belongs to, in context variables that follow the task."""

from collections.abc import Iterator
from contextlib import contextmanager

from structlog.contextvars import bind_contextvars, clear_contextvars, get_contextvars


def current_request_id() -> str | None:
    """The id of the request this code runs for; None outside of one."""
    return get_contextvars().get("request_id")


def bind_log_context(**values: str) -> None:
    """Put these values on every further line of this request; the request's end takes them off."""
    bind_contextvars(**values)


@contextmanager
def log_context(**values: str) -> Iterator[None]:
    """Put these values on every line logged inside, by whoever; what is bound inside ends with it."""
    outside = get_contextvars()
    bind_contextvars(**values)
    try:
        yield
    finally:
        clear_contextvars()
        bind_contextvars(**outside)
