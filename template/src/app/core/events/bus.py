"""From those who publish to those who have subscribed, within one process and one event loop."""

import asyncio
from collections.abc import Callable, Sequence
from enum import Enum, auto
from typing import Final, NamedTuple, TypeVar

from app.core.events.delivery import Delivery, chain_length
from app.core.events.event import BaseEvent
from app.core.events.handler_queue import Handler, HandlerQueue, OverflowPolicy
from app.core.events.stats import Counters, EventBusStats
from app.core.events.subscriptions import Subscriptions
from app.core.exceptions import EventBusException, EventRejectedError
from app.core.logging import get_logger

E = TypeVar("E", bound=BaseEvent)

# How far an event may be the consequence of a consequence: handlers that answer each other for ever end here.
MAX_CHAIN: Final = 32
# How long cancelled handlers may take to clean up before the bus stops without them.
_CANCEL_SECONDS: Final = 1.0

logger = get_logger(__name__)


class _State(Enum):
    NEW = auto()
    RUNNING = auto()
    DRAINING = auto()
    STOPPED = auto()


class _Waiting(NamedTuple):
    queue: HandlerQueue
    room: "asyncio.Future[bool]"


class EventBus:
    """Hands each event to every handler of its class and of its base classes.

    Every handler has a queue and a task of its own. It gets its events one at a time, in the order in which they were
    published; what it raises, or how long it takes, reaches neither another handler nor the publisher. There is no
    order between handlers, except that on an idle bus those of higher priority begin first. What must follow
    something else belongs into the same handler, or is told by another event.

    A bus belongs to the event loop that started it; other threads go through
    `asyncio.run_coroutine_threadsafe(bus.publish(event), loop)`. A stopped bus does not start again.

    Args:
        queue_size: How many events may wait for each handler.
        policy: What happens to an event for whose handler there is no room. Other handlers get it all the same.
            "reject": it is refused, and `publish` raises. "drop_oldest": the one that has waited longest is dropped.
            "block": `publish` waits for room, first come, first served, and raises after `block_seconds`. That lets a
            slow handler slow its publishers down, requests among them: it is for those who would rather wait.
        block_seconds: How long that may take. Once it took so long, others are refused at once until the handler
            takes its next event.
        handler_timeout_seconds: How long a handler may take for an event before it is cancelled.
    """

    def __init__(
        self,
        *,
        queue_size: int = 1000,
        policy: OverflowPolicy = "reject",
        block_seconds: float = 5,
        handler_timeout_seconds: float = 30,
    ) -> None:
        if queue_size < 1 or block_seconds <= 0 or handler_timeout_seconds <= 0:
            raise ValueError("queue_size, block_seconds and handler_timeout_seconds must be greater than 0")
        self._queue_size = queue_size
        self._policy: OverflowPolicy = policy
        self._block_seconds = block_seconds
        self._handler_timeout_seconds = handler_timeout_seconds
        self._state = _State.NEW
        self._loop: asyncio.AbstractEventLoop | None = None
        self._subscriptions = Subscriptions()
        self._counters = Counters()
        self._settled: asyncio.Future[None] | None = None

    @property
    def stats(self) -> EventBusStats:
        """What has happened so far."""
        return self._counters.snapshot()

    def subscribe(self, event_type: type[E], handler: Handler[E], *, priority: int = 0) -> Callable[[], None]:
        """Have a handler called with every event of this class and its subclasses that is published from now on.

        To get several classes in one order, subscribe to their base: each subscription has a queue of its own.

        Args:
            event_type: Which events.
            handler: Takes one event. It works in a session of its own, leaves blocking calls to a thread, and may be
                given the same event again by whoever publishes it again.
            priority: The higher is offered an event first; among equals, whoever subscribed first.

        Returns:
            Ends the subscription. Events that wait are dropped, a delivery under way goes on.

        Raises:
            EventBusException: Called from another thread than the bus runs in.
        """
        if self._state is not _State.NEW:
            self._check_loop()
        queue = HandlerQueue(
            handler,
            priority=priority,
            size=self._queue_size,
            drop_oldest=self._policy == "drop_oldest",
            handler_timeout_seconds=self._handler_timeout_seconds,
            counters=self._counters,
            on_settled=self._note_settled,
        )
        return self._subscriptions.add(event_type, queue)

    def start(self) -> None:
        """Take events from now on, in the running event loop.

        Raises:
            EventBusException: The bus has been started before.
        """
        if self._state is not _State.NEW:
            raise EventBusException("An event bus starts once; make a new one.")
        self._loop = asyncio.get_running_loop()
        self._state = _State.RUNNING

    async def publish(self, event: BaseEvent) -> None:
        """Put an event into the queue of each of its handlers; nobody waits for what they do with it.

        Called by a handler, it never waits for room, whatever the policy: handlers that wait for each other's queues
        would wait for ever.

        Raises:
            EventBusException: The bus is not running, or belongs to another event loop.
            EventRejectedError: A handler had no room for it, or it is the last of too long a chain of events whose
                handlers publish the next.
        """
        chain = chain_length.get() + 1
        inside = chain > 1
        # While the bus drains, handlers may still publish what follows from what they are given.
        if self._state is not _State.RUNNING and not (inside and self._state is _State.DRAINING):
            raise EventBusException(
                f"The event bus is not running, so {event.type} was not published; "
                "publish between start() and stop(), which the application's lifespan calls."
            )
        self._check_loop()
        if chain > MAX_CHAIN:
            raise EventRejectedError(f"{event.type} follows from {MAX_CHAIN} other events; its handlers go in circles.")
        self._counters.published += 1
        delivery = Delivery(event, chain)
        waiting: list[_Waiting] = []
        refused: list[HandlerQueue] = []
        for queue in self._subscriptions.of(type(event)):
            self._counters.offered += 1
            if queue.offer(delivery):
                continue
            if self._policy == "block" and not inside and not queue.stalled:
                waiting.append(_Waiting(queue, queue.wait_for_room(delivery)))
            else:
                self._refuse(queue, refused)
        if waiting:
            await self._wait_for_room(waiting, refused)
        if inside:
            # A handler that publishes in a loop must leave the event loop to others, and to its own timeout.
            await asyncio.sleep(0)
        if refused:
            names = ", ".join(queue.name for queue in refused)
            raise EventRejectedError(f"{event.type} found no room at {names}; see EVENTS_QUEUE_SIZE and EVENTS_POLICY.")

    async def stop(self, drain_seconds: float) -> None:
        """Take no more events, let the handlers finish, and give up what is left after a while.

        Does nothing if the bus is stopped, or never ran.

        Args:
            drain_seconds: How long the handlers may take for what is published already, and for what they publish
                themselves meanwhile. Those that are not done then are cancelled.

        Raises:
            EventBusException: Called by a handler, for whose end it would wait.
        """
        if self._state is not _State.RUNNING:
            self._state = _State.STOPPED if self._state is _State.NEW else self._state
            return
        self._check_loop()
        if chain_length.get():
            raise EventBusException("A handler cannot stop the event bus it is called by.")
        self._state = _State.DRAINING
        try:
            await self._drain(drain_seconds)
        finally:
            self._state = _State.STOPPED
            abandoned = self._counters.pending
            queues = list(self._subscriptions)
            running = [queue.running for queue in queues if queue.running]
            for queue in queues:
                queue.close()
            for task in running:
                task.cancel()
        if abandoned:
            logger.warning("events were given up", count=abandoned, drain_seconds=drain_seconds)
        if running:
            _, unwilling = await asyncio.wait(running, timeout=_CANCEL_SECONDS)
            if unwilling:
                names = [task.get_name() for task in unwilling]
                logger.error("event handlers ignore their cancellation", event_handlers=names)

    async def _drain(self, seconds: float) -> None:
        if self._counters.pending:
            self._settled = asyncio.get_running_loop().create_future()
            await asyncio.wait([self._settled], timeout=seconds)

    def _note_settled(self) -> None:
        if self._settled is not None and not self._settled.done() and not self._counters.pending:
            self._settled.set_result(None)

    async def _wait_for_room(self, waiting: Sequence[_Waiting], refused: list[HandlerQueue]) -> None:
        try:
            await asyncio.wait([room for _, room in waiting], timeout=self._block_seconds)
        except asyncio.CancelledError:
            for queue, room in waiting:
                if not room.done():
                    queue.withdraw(room)
                    self._counters.dropped += 1
            self._note_settled()
            raise
        for queue, room in waiting:
            if not room.done():
                queue.withdraw(room)
                queue.stalled = True
                self._refuse(queue, refused)
            elif not room.result():
                raise EventBusException("The event bus stopped while an event waited for room.")
        self._note_settled()

    def _refuse(self, queue: HandlerQueue, refused: list[HandlerQueue]) -> None:
        self._counters.rejected += 1
        queue.report_loss("an event was rejected")
        refused.append(queue)

    def _check_loop(self) -> None:
        try:
            here = asyncio.get_running_loop()
        except RuntimeError:
            here = None
        if here is not self._loop:
            raise EventBusException(
                "The event bus belongs to another event loop; use asyncio.run_coroutine_threadsafe() from threads."
            )
