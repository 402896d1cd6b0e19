"""Facts that one part of the application records and other parts react to.

    class SomethingHappened(BaseEvent): ...         the fact and its values
    uow.record(SomethingHappened(...))              in a service: published once it is committed
    bus.subscribe(SomethingHappened, react)         in `wiring.py`

The bus belongs to one process and one event loop, and keeps nothing beyond it: what it holds is lost when the process
is killed. An event whose class says `durable = True` is delivered by jobs, which are written with the change.
"""

import asyncio
import json
from collections import Counter, deque
from collections.abc import Awaitable, Callable, Mapping
from contextvars import Context
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, ClassVar, Final, Self, TypeVar
from uuid import UUID

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, JsonValue
from uuid_utils.compat import uuid7

from app.core.exceptions import EventBusException
from app.core.jobs import BaseJob
from app.core.logging import current_request_id, get_logger
from app.core.monitoring import monitor
from app.core.process import get_object

E = TypeVar("E", bound="BaseEvent")

_TURN_EVENTS: Final = 16  # handed to a quick handler before the rest of the event loop gets its turn
_CANCEL_SECONDS: Final = 1.0  # for cancelled handlers to clean up before the bus stops without them

logger = get_logger(__name__)


class BaseEvent(BaseModel):
    """A fact. A subclass has a `type` of its own, and adds what the fact is about, as `BaseJob` does.

    It holds plain values, of exactly the annotated types; never a row, whose session is closed when handlers run.

    Attributes:
        type: The name it keeps for ever, whatever becomes of the class. Every subclass states its own.
        version: Of the subclass's fields: raise it when one changes its meaning or goes away.
        durable: It is delivered by jobs, one for each subscriber, which outlast every process. A subscriber may get it
            twice, after a crash, with the same `id`.
        source: The part of the application it comes from.
        correlation_id: The id of the request that it is a consequence of, if there is one.
        metadata: Circumstances of the fact, such as the user who asked for it.
    """

    # The values are people's data, and stay out of the error that refuses them.
    model_config = ConfigDict(frozen=True, strict=True, extra="forbid", hide_input_in_errors=True)

    type: ClassVar[str] = "event"
    version: ClassVar[int] = 1
    durable: ClassVar[bool] = False

    id: UUID = Field(default_factory=uuid7)
    timestamp: AwareDatetime = Field(default_factory=lambda: datetime.now(UTC))
    source: str = "app"
    correlation_id: str | None = Field(default_factory=current_request_id)
    metadata: Mapping[str, JsonValue] = Field(default_factory=dict)

    def to_dict(self) -> dict[str, JsonValue]:
        """Return all of the event, its type and version included, as plain JSON."""
        return {"type": self.type, "version": self.version, **self.model_dump(mode="json")}

    @classmethod
    def from_dict(cls, written: Mapping[str, JsonValue]) -> Self:
        """Return the event that `to_dict` has written; ValueError for values of another class or version.

        A subclass that changes its version overrides this, to make today's values of older ones.
        """
        values = {name: value for name, value in written.items() if name not in {"type", "version"}}
        if (written["type"], written["version"]) != (cls.type, cls.version):
            raise ValueError(f"{written['type']} of version {written['version']} is no {cls.type} of {cls.version}")
        # From JSON: in its strict mode, text is a UUID there.
        return cls.model_validate_json(json.dumps(values))


class DeliverEvent(BaseJob):
    """Hands a durable event to one of its subscribers, again and again for a day until it succeeds."""

    type: ClassVar[str] = "event.deliver"
    attempts: ClassVar[int] = 30

    subscriber: str  # the handler, by its module and name
    event: dict[str, Any]


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
    published; what it raises, or how long it takes, reaches neither another handler nor the publisher. An event that
    finds a handler's queue full is refused: that handler does not get it, and `publish` raises.

    Attributes:
        counts: The events `published`, and of their deliveries, one for each handler, those `delivered`, `failed`
            (raised, out of time or cancelled), `dropped` (never begun), `rejected` (for want of room) and `pending` (in
            a queue or under way).

    Args:
        queue_size: The number of events that may wait for each handler.
        handler_timeout_seconds: The time a handler may take for an event before it is cancelled.
    """

    def __init__(self, *, queue_size: int = 1000, handler_timeout_seconds: float = 30) -> None:
        # From 0, or an alert on their growth would not see the first.
        self.counts = Counter(published=0, delivered=0, failed=0, dropped=0, rejected=0, pending=0)
        self._queue_size = queue_size
        self._handler_timeout_seconds = handler_timeout_seconds
        self._loop: asyncio.AbstractEventLoop | None = None  # the one it runs in
        self._subscriptions: list[_Subscription] = []
        self._tasks: set[asyncio.Task[None]] = set()

    def subscribe(self, event_type: type[E], handler: Callable[[E], Awaitable[object]], *, priority: int = 0) -> None:
        """Have a handler called with every event of this class and its subclasses that is published from now on.

        Args:
            event_type: The class of the events. Durable ones are delivered by a worker.
            handler: Works in a session of its own, and leaves blocking calls to a thread. Jobs know a durable event's
                by its module and name: rename it when none waits.
            priority: The higher is offered an event first; among equals, the one that subscribed first.
        """
        self._subscriptions.append(_Subscription(event_type, handler, priority))
        self._subscriptions.sort(key=lambda each: -each.priority)

    def unsubscribe(self, event_type: type[E], handler: Callable[[E], Awaitable[object]]) -> None:
        """End a handler's subscription: events that wait for it are dropped, a delivery under way goes on."""
        for each in [each for each in self._subscriptions if (each.event_type, each.handler) == (event_type, handler)]:
            self._subscriptions.remove(each)
            self._drop(each)

    def start(self) -> None:
        """Take events from now on, in the running event loop."""
        self._loop = asyncio.get_running_loop()

    def jobs_for(self, event: BaseEvent) -> list[DeliverEvent]:
        """Return the jobs that deliver a durable event, one for each of its handlers."""
        wanted = [each for each in self._subscriptions if isinstance(event, each.event_type)]
        return [DeliverEvent(subscriber=each.name, event=event.to_dict()) for each in wanted]

    async def deliver(self, job: DeliverEvent) -> None:
        """Call the handler of a durable event, in a worker; EventBusException where there is none any more."""
        for each in self._subscriptions:
            if each.name == job.subscriber and (kind := _find_type(each.event_type, job.event["type"])):
                await each.handler(kind.from_dict(job.event))
                return
        raise EventBusException(f"No subscriber is called {job.subscriber} and takes {job.event['type']}.")

    async def publish(self, event: BaseEvent) -> None:
        """Put an event into the queue of each of its handlers, and wait for none of them.

        Raises:
            EventBusException: The bus does not run in this event loop, the event is durable (`uow.record()` it), or a
                handler had no room for it; the others get it.
        """
        if event.durable:
            raise EventBusException(f"{event.type} is durable: record it in a unit of work, with `uow.record()`.")
        if self._loop is not asyncio.get_running_loop():
            raise EventBusException(f"The event bus is not running in this event loop: {event.type} was not published.")
        self.counts["published"] += 1
        wanted = [each for each in self._subscriptions if isinstance(event, each.event_type)]
        if refused := [each.name for each in wanted if not self._queue(each, event)]:
            self.counts["rejected"] += len(refused)
            raise EventBusException(f"{event.type} found no room at {', '.join(refused)}.")

    async def stop(self, drain_seconds: float) -> None:
        """Let the handlers finish, also what they publish meanwhile; cancel those that are not done after so long."""
        try:
            async with asyncio.timeout(drain_seconds):
                while self._tasks:
                    await asyncio.wait(self._tasks)
        except TimeoutError:
            logger.warning("events were given up", count=self.counts["pending"], drain_seconds=drain_seconds)
        finally:
            self._loop = None
            for each in self._subscriptions:
                self._drop(each)
            for task in self._tasks:
                task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=_CANCEL_SECONDS)

    def _queue(self, subscription: _Subscription, event: BaseEvent) -> bool:
        """Queue an event for a handler; return False if there is no room."""
        if len(subscription.waiting) >= self._queue_size:
            return False
        self.counts["pending"] += 1
        subscription.waiting.append(event)
        if subscription.task is None or subscription.task.done():
            # A context of its own: a handler sees nothing of its publishers.
            subscription.task = asyncio.create_task(self._run(subscription), context=Context())
            self._tasks.add(subscription.task)
            subscription.task.add_done_callback(self._tasks.discard)
        return True

    def _drop(self, subscription: _Subscription) -> None:
        self.counts["pending"] -= len(subscription.waiting)
        self.counts["dropped"] += len(subscription.waiting)
        subscription.waiting.clear()

    async def _run(self, subscription: _Subscription) -> None:
        """Hand over what waits for a handler, one by one, and report what it fails with, until nothing does."""
        begun = 0
        while subscription.waiting:
            event = subscription.waiting.popleft()
            # Its lines in the log carry the event's request.
            facts = {"event_type": event.type, "event_id": str(event.id), "event_handler": subscription.name}
            request = {"request_id": event.correlation_id} if event.correlation_id else {}
            with monitor.scope(**request, **facts):
                try:
                    async with asyncio.timeout(self._handler_timeout_seconds):
                        await subscription.handler(event)
                    self.counts["delivered"] += 1
                except (Exception, asyncio.CancelledError) as error:  # noqa: BLE001 — reported
                    # Also a cancellation: of something the handler has waited for, or by `stop()`, which left no more.
                    self.counts["failed"] += 1
                    monitor.capture_exception(error, context={"operation": "events.deliver"})
            self.counts["pending"] -= 1
            begun += 1
            if begun % _TURN_EVENTS == 0:
                await asyncio.sleep(0)


def get_event_bus() -> EventBus:
    """Return the process's bus; ConfigurationError where there is none yet, or no longer."""
    return get_object(EventBus)


def _find_type(base: type[BaseEvent], name: str) -> type[BaseEvent] | None:
    """Return the class of this name, which is `base` or derived from it."""
    if base.type == name:
        return base
    return next((found for each in base.__subclasses__() if (found := _find_type(each, name))), None)
