"""The bus: from publishers to handlers, within one process and one event loop."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from contextvars import Context
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, Final, Literal, TypeVar

from app.core.events.event import BaseEvent
from app.core.exceptions import EventBusException, EventRejectedError
from app.core.logging import get_logger
from app.core.monitoring import monitor
from app.core.process import get_object

E = TypeVar("E", bound=BaseEvent)
OverflowPolicy = Literal["drop_oldest", "reject"]

# How long a quick handler may go on from event to event before the rest of the event loop gets its turn.
_TURN_SECONDS: Final = 0.005
# How long cancelled handlers may take to clean up before the bus stops without them.
_CANCEL_SECONDS: Final = 1.0

logger = get_logger(__name__)


@dataclass
class EventBusStats:
    """Counts since the bus was made: of events that were published, and of their deliveries, one for each handler."""

    published: int = 0
    delivered: int = 0
    # The handler raised, or ran out of time.
    failed: int = 0
    # The oldest of a full queue, or what was left when the bus stopped or its handler unsubscribed.
    dropped: int = 0
    # Refused for want of room, and the publisher was told.
    rejected: int = 0
    # In a queue, or under way.
    pending: int = 0


@dataclass(eq=False)
class _Subscription:
    """One handler, and the events that wait for it. Its task hands them over one at a time, while there are any."""

    event_type: type[BaseEvent]
    handler: Callable[[Any], Awaitable[object]]
    priority: int
    waiting: deque[BaseEvent] = field(default_factory=deque)
    task: asyncio.Task[None] | None = None

    @property
    def name(self) -> str:
        return f"{self.handler.__module__}.{getattr(self.handler, '__qualname__', type(self.handler).__qualname__)}"


class EventBus:
    """Hands each event to every handler of its class and of its base classes.

    Every handler has a queue and a task of its own. It gets its events one at a time, in the order in which they were
    published; what it raises, or how long it takes, reaches neither another handler nor the publisher.

    Args:
        queue_size: The number of events that may wait for each handler.
        policy: The fate of an event for whose handler there is no room; other handlers get it all the same. "reject":
            it is refused, and `publish` raises. "drop_oldest": the one that has waited longest is dropped.
        handler_timeout_seconds: The time a handler may take for an event before it is cancelled.
    """

    def __init__(
        self, *, queue_size: int = 1000, policy: OverflowPolicy = "reject", handler_timeout_seconds: float = 30
    ) -> None:
        self._queue_size = queue_size
        self._policy: OverflowPolicy = policy
        self._handler_timeout_seconds = handler_timeout_seconds
        # The one it runs in; None: it does not run.
        self._loop: asyncio.AbstractEventLoop | None = None
        self._draining = False
        self._subscriptions: list[_Subscription] = []
        self._tasks: set[asyncio.Task[None]] = set()
        self._stats = EventBusStats()

    @property
    def stats(self) -> EventBusStats:
        """A copy of the counts as they are now."""
        return replace(self._stats)

    def subscribe(
        self, event_type: type[E], handler: Callable[[E], Awaitable[object]], *, priority: int = 0
    ) -> Callable[[], None]:
        """Have a handler called with every event of this class and its subclasses that is published from now on.

        Args:
            event_type: The class of the events.
            handler: Takes one event. It works in a session of its own, and leaves blocking calls to a thread.
            priority: The higher is offered an event first; among equals, the one that subscribed first.

        Returns:
            A call of `unsubscribe` for this handler.
        """
        self._subscriptions.append(_Subscription(event_type, handler, priority))
        self._subscriptions.sort(key=lambda each: -each.priority)
        return partial(self.unsubscribe, event_type, handler)

    def unsubscribe(self, event_type: type[E], handler: Callable[[E], Awaitable[object]]) -> None:
        """End a handler's subscription: events that wait for it are dropped, a delivery under way goes on."""
        for each in [each for each in self._subscriptions if (each.event_type, each.handler) == (event_type, handler)]:
            self._subscriptions.remove(each)
            while each.waiting:
                self._drop_oldest(each)

    def start(self) -> None:
        """Take events from now on, in the running event loop."""
        self._loop = asyncio.get_running_loop()

    async def publish(self, event: BaseEvent) -> None:
        """Put an event into the queue of each of its handlers, and wait for none of them.

        Raises:
            EventBusException: The bus does not run in this event loop.
            EventRejectedError: A handler had no room for it; the others get it.
        """
        # While the bus drains, handlers may still publish what follows from what they are given.
        closed = self._draining and asyncio.current_task() not in self._tasks
        if closed or self._loop is not asyncio.get_running_loop():
            raise EventBusException(
                f"The event bus is not running in this event loop, so {event.type} was not published; "
                "publish between start() and stop(), which the application's lifespan calls."
            )
        self._stats.published += 1
        wanted = [each for each in self._subscriptions if isinstance(event, each.event_type)]
        if refused := [each.name for each in wanted if not self._offer(each, event)]:
            names = ", ".join(refused)
            raise EventRejectedError(f"{event.type} found no room at {names}; see EVENTS_QUEUE_SIZE and EVENTS_POLICY.")

    async def stop(self, drain_seconds: float) -> None:
        """Take no more events, let the handlers finish, and give up what is left after a while.

        Args:
            drain_seconds: The time for handlers to take what is published already, and what they publish themselves
                meanwhile. Those that are not done then are cancelled.
        """
        self._draining = True
        try:
            async with asyncio.timeout(drain_seconds):
                while self._tasks:
                    await asyncio.wait(self._tasks)
        except TimeoutError:
            logger.warning("events were given up", count=self._stats.pending, drain_seconds=drain_seconds)
        finally:
            self._loop, self._draining = None, False
            for each in self._subscriptions:
                while each.waiting:
                    self._drop_oldest(each)
            for task in self._tasks:
                task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=_CANCEL_SECONDS)

    def _offer(self, subscription: _Subscription, event: BaseEvent) -> bool:
        """Queue an event; return False where it finds no room and the policy makes none."""
        if len(subscription.waiting) >= self._queue_size:
            if self._policy == "reject":
                self._stats.rejected += 1
                return False
            logger.warning("event queue is full", event_handler=subscription.name, event_type=event.type)
            self._drop_oldest(subscription)
        self._stats.pending += 1
        subscription.waiting.append(event)
        if subscription.task is None or subscription.task.done():
            # A context of its own: a handler sees nothing of its publishers.
            subscription.task = asyncio.create_task(self._run(subscription), context=Context())
            self._tasks.add(subscription.task)
            subscription.task.add_done_callback(self._tasks.discard)
        return True

    def _drop_oldest(self, subscription: _Subscription) -> None:
        subscription.waiting.popleft()
        self._stats.pending -= 1
        self._stats.dropped += 1

    async def _run(self, subscription: _Subscription) -> None:
        """Hand over what waits for a handler, until nothing does."""
        loop = asyncio.get_running_loop()
        turn_ends = loop.time() + _TURN_SECONDS
        while subscription.waiting:
            await self._deliver(subscription, subscription.waiting.popleft())
            if loop.time() > turn_ends:
                await asyncio.sleep(0)
                turn_ends = loop.time() + _TURN_SECONDS

    async def _deliver(self, subscription: _Subscription, event: BaseEvent) -> None:
        """Call the handler, and report to the monitor what goes wrong with it.

        Its lines in the log carry the request that the event goes back to.
        """
        facts = {"event_type": event.type, "event_id": str(event.id), "event_handler": subscription.name}
        request = {"request_id": event.correlation_id} if event.correlation_id else {}
        with monitor.scope(**request, **facts):
            try:
                async with asyncio.timeout(self._handler_timeout_seconds):
                    await subscription.handler(event)
                self._stats.delivered += 1
            except (Exception, asyncio.CancelledError) as error:
                # A cancellation that is not the bus's comes from something the handler has waited for.
                if isinstance(error, asyncio.CancelledError) and subscription.task and subscription.task.cancelling():
                    self._stats.dropped += 1
                    raise
                self._stats.failed += 1
                monitor.capture_exception(error, context={"operation": "events.deliver"})
            finally:
                self._stats.pending -= 1


def get_event_bus() -> EventBus:
    """Return the process's bus; ConfigurationError where there is none yet, or no longer."""
    return get_object(EventBus)
