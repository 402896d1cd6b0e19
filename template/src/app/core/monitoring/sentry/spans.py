"""Traces as Sentry has them: the outermost is a transaction, those within it are its spans."""

import asyncio
import os
import random
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime, timedelta
from typing import Any, Final

# As many as Sentry takes of one transaction (its documentation, "Size limits").
MAX_SPANS: Final = 1000


class Transaction:
    """An outermost trace.

    Args:
        trace_id: The trace it is a part of.
    """

    def __init__(self, trace_id: str) -> None:
        self.trace_id = trace_id
        self.spans: list[dict[str, Any]] = []


class Span:
    """A trace under way.

    Args:
        name: What is timed.
        transaction: Whose part it is; None when the outermost was not chosen to be sent.
    """

    def __init__(self, name: str, transaction: Transaction | None) -> None:
        self.name = name
        self.transaction = transaction
        self.span_id = os.urandom(8).hex()
        self._started = datetime.now(UTC)
        self._began = time.perf_counter()

    def ended(self, status: str) -> dict[str, Any]:
        """Name, times and outcome, in Sentry's words."""
        ended = self._started + timedelta(seconds=time.perf_counter() - self._began)
        return {
            "span_id": self.span_id,
            "op": "function",
            "description": self.name,
            "start_timestamp": self._started.isoformat(),
            "timestamp": ended.isoformat(),
            "status": status,
        }


Finish = Callable[[Transaction, dict[str, Any]], None]

# What runs in tasks and threads of its own is still within the trace that it was started in.
_current: Final[ContextVar[Span | None]] = ContextVar("sentry_span", default=None)


def current_span() -> Span | None:
    """What is being timed here."""
    return _current.get()


@contextmanager
def record(name: str, *, sample_rate: float, trace_id: Callable[[], str], finish: Finish) -> Iterator[None]:
    """Time what runs inside.

    Args:
        name: A constant.
        sample_rate: The share of the outermost traces that is kept; whatever is within shares its fate.
        trace_id: Which trace an outermost one belongs to.
        finish: Gets an outermost one when it has ended, and what it was itself.
    """
    parent = _current.get()
    if parent is not None:
        transaction = parent.transaction
    else:
        chosen = random.random() < sample_rate  # noqa: S311 — a sample, no secret
        transaction = Transaction(trace_id()) if chosen else None
    span = Span(name, transaction)
    token = _current.set(span)
    status = "internal_error"
    try:
        yield
        status = "ok"
    except asyncio.CancelledError:
        status = "cancelled"
        raise
    finally:
        _current.reset(token)
        if transaction is not None:
            ended = {**span.ended(status), "trace_id": transaction.trace_id}
            if parent is None:
                finish(transaction, ended)
            elif len(transaction.spans) < MAX_SPANS:
                transaction.spans.append({**ended, "parent_span_id": parent.span_id})
