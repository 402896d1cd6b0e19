"""Who gets which events."""

from collections.abc import Callable, Iterator
from typing import NamedTuple

from app.core.events.event import BaseEvent
from app.core.events.handler_queue import HandlerQueue


class _Subscription(NamedTuple):
    event_type: type[BaseEvent]
    queue: HandlerQueue


class Subscriptions:
    """The handlers' queues, found by the class of an event."""

    def __init__(self) -> None:
        self._current: list[_Subscription] = []
        # What has been found before; forgotten when subscriptions change.
        self._found: dict[type[BaseEvent], tuple[HandlerQueue, ...]] = {}
        # Those of unsubscribed handlers, as long as a delivery is under way.
        self._leaving: list[HandlerQueue] = []

    def __iter__(self) -> Iterator[HandlerQueue]:
        """Every queue that has, or may get, something to do."""
        yield from self._leaving
        for subscription in self._current:
            yield subscription.queue

    def add(self, event_type: type[BaseEvent], queue: HandlerQueue) -> Callable[[], None]:
        """Have a queue found for events of this class and its subclasses. Returns what ends that."""
        subscription = _Subscription(event_type, queue)
        self._current.append(subscription)
        self._found.clear()

        def remove() -> None:
            if subscription in self._current:
                self._current.remove(subscription)
                self._found.clear()
                queue.close()
                self._leaving = [each for each in (*self._leaving, queue) if each.running]

        return remove

    def of(self, event_type: type[BaseEvent]) -> tuple[HandlerQueue, ...]:
        """The queues for events of a class: those of higher priority first, then those subscribed first."""
        found = self._found.get(event_type)
        if found is None:
            queues = [queue for wanted, queue in self._current if issubclass(event_type, wanted)]
            # Sorting leaves equals as they are.
            found = self._found[event_type] = tuple(sorted(queues, key=lambda queue: -queue.priority))
        return found
