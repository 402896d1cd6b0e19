"""Of many callers who need the same thing at the same time, one does the work."""

import asyncio
from collections.abc import Awaitable, Callable, Hashable
from types import TracebackType
from typing import Generic, TypeVar

from app.core.exceptions import CacheException

T = TypeVar("T")


class _Flight(Generic[T]):
    """Work under way: who does it, and what came of it. With neither result nor error, its leader was cancelled."""

    __slots__ = ("done", "error", "leader", "result", "traceback")

    def __init__(self, leader: "asyncio.Task[object] | None") -> None:
        self.leader = leader
        self.done = asyncio.Event()
        self.result: tuple[T] | None = None
        self.error: Exception | None = None
        self.traceback: TracebackType | None = None


class SingleFlight(Generic[T]):
    """Runs the work for a key once for all who ask while it is under way.

    The first to ask does the work, in its own task: with its context, its database session and its deadline. The
    others wait. They get its result or its error; when it is cancelled, the next in line does the work, with its own
    means, since those of the first are gone. No task outlives its caller.

    Callers are brought together within one event loop of one process. Loops and processes each do the work once.
    """

    def __init__(self) -> None:
        # By loop, too: an event can wake nobody on another thread's loop.
        self._flights: dict[tuple[asyncio.AbstractEventLoop, Hashable], _Flight[T]] = {}

    async def run(self, key: Hashable, work: Callable[[], Awaitable[T]]) -> T:
        """The result of the work for this key, done by this caller or by another.

        Raises:
            CacheException: The work for a key asks for the same key, and would wait for itself.
            Exception: Whatever the work raised.
        """
        place = (asyncio.get_running_loop(), key)
        me = asyncio.current_task()
        while (flight := self._flights.get(place)) is not None:
            if flight.leader is me:
                raise CacheException("What is loaded for a cache key asks for the same key: it would wait for itself.")
            await flight.done.wait()
            if flight.result is not None:
                return flight.result[0]
            if flight.error is not None:
                # Its own traceback each time: it would otherwise grow by every caller who raises it.
                raise flight.error.with_traceback(flight.traceback)
        flight = self._flights[place] = _Flight(me)
        try:
            result = await work()
        except Exception as err:
            flight.error, flight.traceback = err, err.__traceback__
            raise
        else:
            flight.result = (result,)
            return result
        finally:
            if self._flights.get(place) is flight:
                del self._flights[place]
            flight.done.set()

    def leads(self, key: Hashable) -> bool:
        """Whether the calling task does the work for this key, and nobody has called `forget()` since it began."""
        flight = self._flights.get((asyncio.get_running_loop(), key))
        return flight is not None and flight.leader is asyncio.current_task()

    def forget(self, key: Hashable) -> None:
        """Let the next caller begin anew. Those who wait already get what they wait for."""
        self._flights.pop((asyncio.get_running_loop(), key), None)

    def forget_all(self) -> None:
        """`forget()` every key of this event loop."""
        loop = asyncio.get_running_loop()
        for place in [place for place in self._flights.copy() if place[0] is loop]:
            self._flights.pop(place, None)
