"""One handler of events: the queue of those that wait for it, and the task that hands them over."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from contextvars import Context, ContextVar
from dataclasses import dataclass, field
from typing import Any, Final, Literal

from app.core.events.event import BaseEvent
from app.core.exceptions import TimeoutError as OutOfTimeError
from app.core.logging import get_logger
from app.core.monitoring import monitor

OverflowPolicy = Literal["drop_oldest", "reject"]

# True in handlers, and in the tasks they start.
in_handler: Final[ContextVar[bool]] = ContextVar("in_event_handler", default=False)

# How long a quick handler may go on from event to event before the rest of the event loop gets its turn.
_TURN_SECONDS: Final = 0.005

logger = get_logger(__name__)


@dataclass
class EventBusStats:
    """Counts since the bus was made.

    `published` counts events, all others deliveries: an event has one for each of its handlers.

    Attributes:
        published: Events that `publish()` took.
        offered: Deliveries that were due: the sum of those below.
        delivered: The handler came to its end.
        failed: The handler raised, or ran out of time.
        dropped: Given up: the oldest of a full queue, what was left when the bus stopped or its handler unsubscribed.
        rejected: Refused for want of room, and the publisher was told.
        pending: In a queue, or under way.
    """

    published: int = 0
    offered: int = 0
    delivered: int = 0
    failed: int = 0
    dropped: int = 0
    rejected: int = 0
    pending: int = 0


@dataclass(eq=False, kw_only=True)
class Subscription:
    """The events of one handler, handed over one at a time, in the order of publication.

    One task does so as long as the subscription lasts, in a context of its own: a handler sees nothing of its
    publishers, and what it leaves in the monitor and the log is gone before its next event.
    """

    event_type: type[BaseEvent]
    handler: Callable[[Any], Awaitable[object]]  # `EventBus.subscribe` is where the types are checked
    priority: int
    size: int
    policy: OverflowPolicy
    timeout_seconds: float
    stats: EventBusStats
    task: asyncio.Task[None] | None = None
    busy: bool = False
    _waiting: deque[BaseEvent] = field(default_factory=deque)
    _wake: asyncio.Event = field(default_factory=asyncio.Event)
    _full: bool = False
    _closed: bool = False

    @property
    def name(self) -> str:
        """The handler's name for the log."""
        named = self.handler if hasattr(self.handler, "__qualname__") else type(self.handler)
        return f"{named.__module__}.{named.__qualname__}"

    def offer(self, event: BaseEvent) -> bool:
        """Queue an event; return False where it finds no room and the policy makes none."""
        self.stats.offered += 1
        if len(self._waiting) >= self.size:
            if not self._full:
                # Once, until the queue has been empty: under load there may be thousands of losses a second.
                self._full = True
                logger.warning("event queue is full", event_handler=self.name, policy=self.policy, size=self.size)
            if self.policy == "reject":
                self.stats.rejected += 1
                return False
            self._drop_oldest()
        self.stats.pending += 1
        self._waiting.append(event)
        self._wake.set()
        if self.task is None:
            self.task = asyncio.get_running_loop().create_task(self._run(), name=self.name, context=Context())
        return True

    def close(self) -> None:
        """Drop what waits, and end the task: at once, or after the delivery that is under way."""
        self._closed = True
        while self._waiting:
            self._drop_oldest()
        if self.task is not None and not self.busy:
            self.task.cancel()

    def _drop_oldest(self) -> None:
        self._waiting.popleft()
        self.stats.pending -= 1
        self.stats.dropped += 1

    async def _run(self) -> None:
        in_handler.set(True)
        loop = asyncio.get_running_loop()
        while not self._closed and await self._wake.wait():
            turn_ends = loop.time() + _TURN_SECONDS
            while self._waiting and loop.time() < turn_ends:
                self.busy = True
                try:
                    await self._deliver(self._waiting.popleft())
                finally:
                    self.busy = False
                    self.stats.pending -= 1
            if not self._waiting:
                self._full = False
                self._wake.clear()
            await asyncio.sleep(0)

    async def _deliver(self, event: BaseEvent) -> None:
        """Call the handler, and report to the monitor what goes wrong with it.

        Its lines in the log carry the request that the event goes back to.
        """
        facts = {"event_type": event.type, "event_id": str(event.id), "event_handler": self.name}
        request = {"request_id": event.correlation_id} if event.correlation_id else {}
        with monitor.scope(**request, **facts):
            try:
                async with asyncio.timeout(self.timeout_seconds) as limit:
                    await self.handler(event)
                if limit.expired():
                    raise TimeoutError  # noqa: TRY301 — the handler has swallowed its cancellation
                self.stats.delivered += 1
            except (Exception, asyncio.CancelledError) as error:
                # A cancellation that is not the bus's comes from something the handler has waited for.
                if isinstance(error, asyncio.CancelledError) and self.task is not None and self.task.cancelling():
                    self.stats.dropped += 1
                    raise
                self.stats.failed += 1
                late = OutOfTimeError(f"An event handler was cancelled after its {self.timeout_seconds:g} s.")
                late.__cause__ = error
                monitor.capture_exception(late if limit.expired() else error, context={"operation": "events.deliver"})
