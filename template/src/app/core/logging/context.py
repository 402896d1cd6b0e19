"""What a line of the log knows about the request it belongs to, in context variables that follow the task."""

from collections.abc import Iterator
from contextlib import contextmanager

from structlog.contextvars import bind_contextvars, get_contextvars, reset_contextvars


def current_request_id() -> str | None:
    """The id of the request this code runs for; None outside of one."""
    return get_contextvars().get("request_id")


@contextmanager
def log_context(**values: str) -> Iterator[None]:
    """Put these values on every line logged inside, by whoever."""
    tokens = bind_contextvars(**values)
    try:
        yield
    finally:
        reset_contextvars(**tokens)
