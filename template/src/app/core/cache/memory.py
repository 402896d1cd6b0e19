"""Values in the memory of this process: for a time, for one request, or as a backend of the cache."""

import asyncio
import functools
import threading
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Coroutine, Hashable, Sequence
from contextvars import ContextVar
from datetime import timedelta
from typing import Any, Generic, ParamSpec, TypeVar

K = TypeVar("K", bound=Hashable)
P = ParamSpec("P")
R = TypeVar("R")
V = TypeVar("V")


class TTLCache(Generic[K, V]):
    """A map, for any thread, that keeps each value itself for `ttl` (seconds or a timedelta) and `max_entries` of them.

    The least recently used make room.
    """

    def __init__(self, *, max_entries: int, ttl: float | timedelta) -> None:
        self._max_entries = max_entries
        self._ttl = ttl
        # Reentrant: dropping a value may run its finalizer while the lock is held.
        self._lock = threading.RLock()
        self._entries: OrderedDict[K, tuple[V, float]] = OrderedDict()  # each value with the time at which it expires

    def get(self, key: K, default: V | None = None) -> V | None:
        """Return the value, or `default` if there is none or it has expired."""
        with self._lock:
            entry = self._entries.get(key)
            if entry is None or entry[1] <= time.time():
                return default
            self._entries.move_to_end(key)
            return entry[0]

    def set(self, key: K, value: V, *, ttl: float | timedelta | None = None) -> None:
        """Keep a value, in place of any former one, for its own time or the usual."""
        lifetime = self._ttl if ttl is None else ttl
        seconds = lifetime.total_seconds() if isinstance(lifetime, timedelta) else lifetime
        with self._lock:
            self.delete(key)
            if len(self._entries) >= self._max_entries:
                self._entries.popitem(last=False)
            self._entries[key] = (value, time.time() + seconds)

    def delete(self, key: K) -> bool:
        """Forget an entry; return True if there was one, expired or not."""
        with self._lock:
            return self._entries.pop(key, None) is not None

    def clear(self) -> None:
        """Forget all entries."""
        with self._lock:
            self._entries.clear()

    def cleanup_expired(self) -> int:
        """Free the entries that have expired; return their number."""
        with self._lock:
            now = time.time()
            expired = [key for key, (_, expires) in self._entries.items() if expires <= now]
            return sum([self.delete(key) for key in expired])


async def run_once(
    flights: dict[K, asyncio.Future[R]], key: K, work: Callable[[], Awaitable[R]], *, keep: bool = False
) -> R:
    """Return the result of the work for a key, done once for all who ask while it is under way; with `keep`, for ever.

    The first to ask does it in its own task: with its context, its database session and its deadline. When it is
    cancelled, the next in line does the work with its own. A key that is taken out of `flights` begins anew.
    """
    while (flight := flights.get(key)) is not None:
        if not flight.done():
            await asyncio.wait([flight])  # and not the flight itself, which the first to be cancelled would cancel
        if not flight.cancelled():
            return flight.result()
    flight = flights[key] = asyncio.get_running_loop().create_future()
    try:
        flight.set_result(await work())
    except Exception as err:  # noqa: BLE001 — raised below, and in all who wait
        flight.set_exception(err)
    finally:
        flight.cancel()  # unless it is done: its caller was cancelled
        kept = keep and not flight.cancelled() and flight.exception() is None
        if not kept and flights.get(key) is flight:
            del flights[key]
    return flight.result()


class RequestCache:
    """`with RequestCache(): …` is one request; the middleware opens it.

    The tasks that are started inside share it. Once it has ended, a task that lives on runs its functions anew.
    """

    results: dict[Hashable, asyncio.Future[Any]] | None = None

    def __enter__(self) -> None:
        self.results = {}
        _current.set(self)

    def __exit__(self, *_error: object) -> None:
        self.results = None
        _current.set(None)


# The default is nothing at all: a dict here would be one that every request shares.
_current: ContextVar[RequestCache | None] = ContextVar("request_cache", default=None)


def request_cached(
    key_fn: Callable[..., Hashable],
) -> Callable[[Callable[P, Coroutine[Any, Any, R]]], Callable[P, Coroutine[Any, Any, R]]]:
    """Run an asynchronous function once per request and key; outside of a request it simply runs.

    All callers in a request get the same object. Exceptions are not kept: the next call tries again. `key_fn` takes the
    function's arguments (a method's `self`, too) and returns what tells calls apart.
    """

    def decorate(function: Callable[P, Coroutine[Any, Any, R]]) -> Callable[P, Coroutine[Any, Any, R]]:
        @functools.wraps(function)
        async def call(*args: P.args, **kwargs: P.kwargs) -> R:
            cache = _current.get()
            if cache is None or cache.results is None:
                return await function(*args, **kwargs)
            key = (function, key_fn(*args, **kwargs))
            result: R = await run_once(cache.results, key, lambda: function(*args, **kwargs), keep=True)
            return result

        return call

    return decorate


class CacheUnavailableError(Exception):
    """Raised by a backend that does not answer; the cache turns it into a miss."""


class CacheBackend:
    """Bytes by key, each for a time: here in the memory of this process, where no other can delete them.

    One that talks to a server overrides every method. It ends each call within a short timeout of its own, raises
    `CacheUnavailableError` for each failure and nothing else, and fails at once for a while after failures in a row (a
    circuit breaker).
    """

    def __init__(self, *, max_entries: int) -> None:
        self._values: TTLCache[str, bytes] = TTLCache(max_entries=max_entries, ttl=float("inf"))

    async def get(self, key: str) -> bytes | None:
        """Return the value, or None if there is none or its time is over."""
        return self._values.get(key)

    async def set(self, key: str, value: bytes, *, ttl: float) -> None:
        """Keep a value for so many seconds, in place of any former one."""
        self._values.set(key, value, ttl=ttl)

    async def delete(self, keys: Sequence[str]) -> None:
        """Forget those of these that are there."""
        for key in keys:
            self._values.delete(key)

    async def clear(self, prefix: str) -> None:  # noqa: ARG002
        """Forget every key that begins with the prefix; other applications may keep theirs in the same place."""
        # Not in here: everything is this one's.
        self._values.clear()
