"""Of many callers who need the same thing at the same time, one does the work."""

import asyncio
from collections.abc import Awaitable, Callable, Hashable
from typing import Generic, TypeVar

from app.core.exceptions import CacheException

T = TypeVar("T")


class SingleFlight(Generic[T]):
    """Runs the work for a key once for all who ask while it is under way.

    The first to ask does the work, in its own task: with its context, its database session and its deadline. The
    others wait. They get its result or its error; when it is cancelled, the next in line does the work, with its own
    means, since those of the first are gone. No task outlives its caller.

    Callers are brought together within one event loop of one process. Loops and processes each do the work once.
    """

    def __init__(self) -> None:
        # By loop, too: a future can wake no task on another thread's loop.
        self._flights: dict[tuple[object, Hashable], tuple[asyncio.Future[T], asyncio.Task[object] | None]] = {}

    async def run(self, key: Hashable, work: Callable[[], Awaitable[T]]) -> T:
        """Return the result of the work for this key, done by this caller or by another.

        Raises:
            CacheException: The work for a key asks for the same key, and would wait for itself.
            Exception: The error of the work.
        """
        loop, me = asyncio.get_running_loop(), asyncio.current_task()
        place = (loop, key)
        while place in self._flights:
            flight, leader = self._flights[place]
            if leader is me:
                raise CacheException("The work for a cache key asks for the same key: it would wait for itself.")
            await asyncio.wait([flight])  # and not the flight itself, which the first to be cancelled would cancel
            if not flight.cancelled():
                return flight.result()
        flight = loop.create_future()
        self._flights[place] = (flight, me)
        try:
            flight.set_result(await work())
        except Exception as err:  # noqa: BLE001 — raised below, and in all who wait
            flight.set_exception(err)
        finally:
            # Its leader was cancelled, if it is not done.
            flight.cancel()
            if self._flights.get(place) == (flight, me):
                del self._flights[place]
        return flight.result()

    def leads(self, key: Hashable) -> bool:
        """Return True if the calling task does the work for this key and no `forget()` has come since it began."""
        _, leader = self._flights.get((asyncio.get_running_loop(), key), (None, None))
        return leader is not None and leader is asyncio.current_task()

    def forget(self, key: Hashable = None) -> None:
        """Let the next caller begin anew, for this key or for all. Those who wait get what they wait for."""
        loop = asyncio.get_running_loop()
        for place in [(loop, key)] if key is not None else [place for place in self._flights if place[0] is loop]:
            self._flights.pop(place, None)
