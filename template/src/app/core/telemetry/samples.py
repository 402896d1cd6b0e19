"""The state of this process and of the queue, noted every few seconds: no event tells of it."""

from dataclasses import dataclass
from typing import Final

from sqlalchemy import Float, cast, extract, func, select

from app.core.database import Statement, get_database, get_database_stats
from app.core.events import get_event_bus
from app.core.jobs.queue import queue
from app.core.telemetry import Counter, Gauge

_SUM: Final = {"multiprocess_mode": "livesum"}
_ANY: Final = {"multiprocess_mode": "livemostrecent"}
POOL_SIZE: Final = Gauge("app_database_pool_connections", "Connections that the pools may hold.", **_SUM)
POOL_IN_USE: Final = Gauge("app_database_pool_in_use_connections", "Connections that are lent.", **_SUM)
POOL_WAITING: Final = Gauge("app_database_pool_waiting", "Requests and jobs that wait for a connection.", **_SUM)
EVENTS: Final = Counter("app_events_total", "Events published and rejected, and their deliveries.", "outcome")
EVENTS_PENDING: Final = Gauge("app_events_pending", "Deliveries of events that wait or are under way.", **_SUM)
JOBS_DUE: Final = Gauge("app_jobs_due", "Jobs that could run now and wait for a worker.", **_ANY)
JOBS_OLDEST: Final = Gauge("app_jobs_oldest_due_seconds", "The time that the first of them has waited.", **_ANY)
JOBS_ASIDE: Final = Gauge("app_jobs_set_aside", "Jobs that failed for good and wait for a person.", **_ANY)


@dataclass(slots=True)
class _Queue:
    due: int
    oldest_seconds: float
    aside: int


_is_due: Final = (queue.c.status == "queued") & (queue.c.execute_after <= func.now())
_waited: Final = func.now() - func.min(queue.c.execute_after).filter(_is_due)
_QUEUE: Final = Statement(
    select(
        func.count().filter(_is_due).label("due"),
        func.coalesce(cast(extract("epoch", _waited), Float), 0).label("oldest_seconds"),
        func.count().filter(queue.c.status == "failed").label("aside"),
    ),
    _Queue,
)


class ProcessSample:
    """Notes the pools and the event bus of this process."""

    def __init__(self) -> None:
        self._counted: dict[str, int] = {}

    async def __call__(self) -> None:
        """Note them."""
        pools = get_database_stats()
        POOL_SIZE.set(pools.size)
        POOL_IN_USE.set(pools.in_use)
        POOL_WAITING.set(pools.waiting)
        counts = dict(get_event_bus().counts)
        EVENTS_PENDING.set(counts.pop("pending"))
        for outcome, count in counts.items():
            EVENTS.add(outcome, amount=count - self._counted.get(outcome, 0))
        self._counted = counts


async def sample_queue() -> None:
    """Note the jobs that wait, in one statement."""
    found = await get_database().reader.one(_QUEUE)
    JOBS_DUE.set(found.due)
    JOBS_OLDEST.set(found.oldest_seconds)
    JOBS_ASIDE.set(found.aside)
