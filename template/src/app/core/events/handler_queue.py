"""What waits for one handler."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from contextvars import Context
from typing import Final, Literal, TypeVar

from app.core.events.delivery import AnyHandler, Delivery, deliver, name_of
from app.core.events.event import BaseEvent
from app.core.events.stats import Counters
from app.core.logging import get_logger

E = TypeVar("E", bound=BaseEvent)
Handler = Callable[[E], Awaitable[object]]

OverflowPolicy = Literal["block", "drop_oldest", "reject"]

# A full queue is reported at once and then at most this often: under load there may be thousands of losses a second.
_REPORT_EVERY_SECONDS: Final = 10.0

logger = get_logger(__name__)


class HandlerQueue:
    """The events of one handler: handed over one at a time, in the order of publication.

    A delivery runs in a task of its own, with an empty context: what one leaves in context variables (a user, log
    values, a request's cache) is not seen by the next, and nothing of whoever published or subscribed is. Between
    deliveries the event loop gets its turn.

    Args:
        handler: Takes the events.
        priority: Of handlers of the same event, the higher is offered it first.
        size: How many events may wait.
        drop_oldest: Whether a full queue makes room by itself.
        handler_timeout_seconds: How long a delivery may take.
        counters: Of the bus.
        on_settled: Called after each delivery that ended.
    """

    def __init__(
        self,
        handler: AnyHandler,
        *,
        priority: int,
        size: int,
        drop_oldest: bool,
        handler_timeout_seconds: float,
        counters: Counters,
        on_settled: Callable[[], None],
    ) -> None:
        self.name = name_of(handler)
        self.priority = priority
        self.running: asyncio.Task[bool] | None = None
        # Set when a publisher has waited in vain; until the handler takes its next event, others need not try.
        self.stalled = False
        self._handler = handler
        self._size = size
        self._drop_oldest = drop_oldest
        self._timeout = handler_timeout_seconds
        self._counters = counters
        self._on_settled = on_settled
        self._waiting: deque[Delivery] = deque()
        # Publishers that wait for room, first come, first served.
        self._publishers: deque[tuple[Delivery, asyncio.Future[bool]]] = deque()
        self._lost = 0
        self._reported = float("-inf")

    def offer(self, delivery: Delivery) -> bool:
        """Whether there was room, or the oldest made some."""
        if len(self._waiting) >= self._size:
            if not self._drop_oldest:
                return False
            self._waiting.popleft()
            self._counters.dropped += 1
            self.report_loss("the oldest event was dropped")
        self._waiting.append(delivery)
        self._start_next()
        return True

    def wait_for_room(self, delivery: Delivery) -> asyncio.Future[bool]:
        """A future of whether the delivery got its place; False once the bus has stopped."""
        future = asyncio.get_running_loop().create_future()
        self._publishers.append((delivery, future))
        return future

    def withdraw(self, future: asyncio.Future[bool]) -> None:
        """Stop waiting for room."""
        self._publishers = deque(entry for entry in self._publishers if entry[1] is not future)

    def report_loss(self, what: str) -> None:
        """Say that the queue is full and the handler too slow, now and then."""
        self._lost += 1
        now = asyncio.get_running_loop().time()
        if now - self._reported >= _REPORT_EVERY_SECONDS:
            logger.warning("event queue is full", event_handler=self.name, what=what, lost=self._lost, size=self._size)
            self._reported, self._lost = now, 0

    def close(self) -> None:
        """Drop what waits; a delivery under way goes on until it ends or is cancelled."""
        self._counters.dropped += len(self._waiting) + len(self._publishers)
        self._waiting.clear()
        while self._publishers:
            self._publishers.popleft()[1].set_result(False)

    def _start_next(self) -> None:
        if self.running is not None or not self._waiting:
            return
        delivery = self._waiting.popleft()
        self.stalled = False
        if self._publishers:
            # At once, so that a queue for which somebody waits is always full, and nobody overtakes them.
            admitted, future = self._publishers.popleft()
            self._waiting.append(admitted)
            future.set_result(True)
        coroutine = deliver(delivery, self._handler, timeout_seconds=self._timeout)
        self.running = asyncio.get_running_loop().create_task(coroutine, name=self.name, context=Context())
        self.running.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[bool]) -> None:
        self.running = None
        if task.cancelled():
            self._counters.dropped += 1
        elif task.exception() is None and task.result():
            self._counters.delivered += 1
        else:
            self._counters.failed += 1
        self._start_next()
        self._on_settled()
