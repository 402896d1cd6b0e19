"""One event for one handler, in a task and a context of its own."""

import asyncio
from collections.abc import Awaitable, Callable
from contextvars import ContextVar
from typing import Any, Final, NamedTuple

from app.core.events.event import BaseEvent
from app.core.exceptions import TimeoutError as OutOfTimeError
from app.core.monitoring import monitor

# A handler of a base class takes all of its subclasses; `EventBus.subscribe` is where the types are checked.
AnyHandler = Callable[[Any], Awaitable[object]]

# How many events led to the code that runs now; 0 outside of handlers.
chain_length: Final[ContextVar[int]] = ContextVar("event_chain_length", default=0)


class Delivery(NamedTuple):
    """An event on its way.

    Attributes:
        event: What happened.
        chain: How many events led to this one, itself included.
    """

    event: BaseEvent
    chain: int


def name_of(handler: AnyHandler) -> str:
    """The handler's name for the log."""
    named = handler if hasattr(handler, "__qualname__") else type(handler)
    return f"{named.__module__}.{named.__qualname__}"


async def deliver(delivery: Delivery, handler: AnyHandler, *, timeout_seconds: float) -> bool:
    """Call the handler, and report to the monitor what goes wrong with it.

    Its lines in the log carry the request that the event goes back to.

    Args:
        delivery: What to hand over.
        handler: Who takes it.
        timeout_seconds: How long the handler may take before it is cancelled.

    Returns:
        Whether the handler came to its end in time.

    Raises:
        asyncio.CancelledError: The bus gave the delivery up.
    """
    event, chain = delivery
    chain_length.set(chain)
    facts = {"event_type": event.type, "event_id": str(event.id), "event_handler": name_of(handler)}
    request = {"request_id": event.correlation_id} if event.correlation_id else {}
    with monitor.scope(**request, **facts):
        error: BaseException
        try:
            async with asyncio.timeout(timeout_seconds) as limit:
                await handler(event)
        except asyncio.CancelledError as err:
            task = asyncio.current_task()
            if task is None or task.cancelling():
                raise
            # Nobody cancelled this task: the handler waited for something else that was cancelled.
            error = err
        except Exception as err:  # noqa: BLE001 — a handler may raise anything; it is reported below
            error = err
        else:
            if not limit.expired():
                return True
            error = TimeoutError()
        if limit.expired():
            late = OutOfTimeError(f"An event handler was cancelled after its {timeout_seconds:g} s.")
            late.__cause__ = error
            error = late
        monitor.capture_exception(error, context={"operation": "events.deliver"})
        return False
