"""The bus: from publishers to subscribers, within one process and one event loop."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from functools import partial
from typing import Final, Literal, TypeVar

from app.core.events.event import BaseEvent
from app.core.events.subscription import EventBusStats, OverflowPolicy, Subscription, in_handler
from app.core.exceptions import EventBusException, EventRejectedError
from app.core.logging import get_logger
from app.core.process import get_object

E = TypeVar("E", bound=BaseEvent)
Handler = Callable[[E], Awaitable[object]]

# How long cancelled handlers may take to clean up before the bus stops without them.
_CANCEL_SECONDS: Final = 1.0
_POLL_SECONDS: Final = 0.005

logger = get_logger(__name__)


class EventBus:
    """Hands each event to every handler of its class and of its base classes.

    Every handler has a queue and a task of its own. It gets its events one at a time, in the order in which they were
    published; what it raises, or how long it takes, reaches neither another handler nor the publisher. There is no
    order between handlers, except that on an idle bus those of higher priority begin first.

    A bus belongs to the event loop that started it; other threads go through
    `asyncio.run_coroutine_threadsafe(bus.publish(event), loop)`. A stopped bus does not start again.

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
        self._state: Literal["new", "running", "draining", "stopped"] = "new"
        self._loop: asyncio.AbstractEventLoop | None = None
        # Those of higher priority first, then those subscribed first.
        self._subscriptions: list[Subscription] = []
        # Those of unsubscribed handlers whose last delivery may still be under way.
        self._leaving: list[Subscription] = []
        self._stats = EventBusStats()

    @property
    def stats(self) -> EventBusStats:
        """A copy of the counts as they are now."""
        return replace(self._stats)

    def subscribe(self, event_type: type[E], handler: Handler[E], *, priority: int = 0) -> Callable[[], None]:
        """Have a handler called with every event of this class and its subclasses that is published from now on.

        To get several classes in one order, subscribe to their base: each subscription has a queue of its own.

        Args:
            event_type: The class of the events.
            handler: Takes one event. It works in a session of its own, and leaves blocking calls to a thread.
            priority: The higher is offered an event first; among equals, the one that subscribed first.

        Returns:
            A call of `unsubscribe` for this handler.
        """
        self._subscriptions.append(
            Subscription(
                event_type=event_type,
                handler=handler,
                priority=priority,
                size=self._queue_size,
                policy=self._policy,
                timeout_seconds=self._handler_timeout_seconds,
                stats=self._stats,
            )
        )
        # Sorting leaves equals as they are.
        self._subscriptions.sort(key=lambda each: -each.priority)
        return partial(self.unsubscribe, event_type, handler)

    def unsubscribe(self, event_type: type[E], handler: Handler[E]) -> None:
        """End a handler's subscription to a class, if there is one.

        Events that wait for it are dropped, a delivery under way goes on.
        """
        ended = [each for each in self._subscriptions if (each.event_type, each.handler) == (event_type, handler)]
        self._subscriptions = [each for each in self._subscriptions if each not in ended]
        for each in ended:
            each.close()
        self._leaving = [each for each in (*self._leaving, *ended) if each.task and not each.task.done()]

    def start(self) -> None:
        """Take events from now on, in the running event loop.

        Raises:
            EventBusException: The bus has been started before.
        """
        if self._state != "new":
            raise EventBusException("An event bus starts once; make a new one.")
        self._loop = asyncio.get_running_loop()
        self._state = "running"

    async def publish(self, event: BaseEvent) -> None:
        """Put an event into the queue of each of its handlers, and wait for none of them.

        Raises:
            EventBusException: The bus is not running, or belongs to another event loop.
            EventRejectedError: A handler had no room for it; the others get it.
        """
        inside = in_handler.get()
        # While the bus drains, handlers may still publish what follows from what they are given.
        if self._state != "running" and not (inside and self._state == "draining"):
            raise EventBusException(
                f"The event bus is not running, so {event.type} was not published; "
                "publish between start() and stop(), which the application's lifespan calls."
            )
        if asyncio.get_running_loop() is not self._loop:
            raise EventBusException(
                "The event bus belongs to another event loop; use asyncio.run_coroutine_threadsafe() from threads."
            )
        self._stats.published += 1
        wanted = [each for each in self._subscriptions if isinstance(event, each.event_type)]
        refused = [each.name for each in wanted if not each.offer(event)]
        if inside:
            # A handler that publishes in a loop must leave the event loop to others, and to its own timeout.
            await asyncio.sleep(0)
        if refused:
            names = ", ".join(refused)
            raise EventRejectedError(f"{event.type} found no room at {names}; see EVENTS_QUEUE_SIZE and EVENTS_POLICY.")

    async def stop(self, drain_seconds: float) -> None:
        """Take no more events, let the handlers finish, and give up what is left after a while.

        Does nothing if the bus is stopped, or never ran.

        Args:
            drain_seconds: The time for handlers to take what is published already, and what they publish themselves
                meanwhile. Those that are not done then are cancelled.
        """
        if self._state != "running":
            self._state = "stopped" if self._state == "new" else self._state
            return
        self._state = "draining"
        try:
            async with asyncio.timeout(drain_seconds):
                while self._stats.pending:  # noqa: ASYNC110 — once, at the end: not worth an event a delivery
                    await asyncio.sleep(_POLL_SECONDS)
        except TimeoutError:
            logger.warning("events were given up", count=self._stats.pending, drain_seconds=drain_seconds)
        finally:
            self._state = "stopped"
            ending = [*self._subscriptions, *self._leaving]
            tasks = {each.task for each in ending if each.task}
            for each in ending:
                each.close()
            for task in tasks:
                task.cancel()
        if tasks:
            _, unwilling = await asyncio.wait(tasks, timeout=_CANCEL_SECONDS)
            if unwilling:
                names = [task.get_name() for task in unwilling]
                logger.error("event handlers ignore their cancellation", event_handlers=names)


def get_event_bus() -> EventBus:
    """Return the process's bus.

    Raises:
        ConfigurationError: There is none yet, or no longer.
    """
    return get_object(EventBus)
