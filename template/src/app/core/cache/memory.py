"""The place where cached values are kept: the port, and the memory of this process behind it."""

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Hashable, Sequence
from datetime import timedelta
from typing import Generic, Protocol, TypeVar, overload

from app.core.exceptions import CacheException

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")
D = TypeVar("D")


class TTLCache(Generic[K, V]):
    """A map that keeps each value for a time, and no more of them than it may.

    The least recently used make room for what is new; reading counts as use. Any thread and any event loop may call
    any method at any time; nothing is shared between processes. There is no background thread: an expired entry is
    never returned, and its memory is freed when room is needed, when it is asked for, or by `cleanup_expired()`.
    Values are kept as they are, not copied. Time is the wall clock's, which tests can move.

    Args:
        max_entries: The most entries that are kept.
        ttl: Seconds an entry is kept unless `set()` is told otherwise, or a timedelta.
        max_weight: The most that all values weigh together. A value that is heavier by itself is not kept at all.
        weigh: Returns a value's weight, such as `len` for bytes; 0 unless given.

    Raises:
        ValueError: A bound or a time is not positive.
    """

    def __init__(
        self,
        *,
        max_entries: int,
        ttl: float | timedelta,
        max_weight: float = float("inf"),
        weigh: Callable[[V], int] | None = None,
    ) -> None:
        if max_entries < 1 or max_weight < 1:
            raise ValueError("max_entries and max_weight must be at least 1")
        self._max_entries = max_entries
        self._ttl = _seconds(ttl)
        self._max_weight = max_weight
        self._weigh = weigh
        # Reentrant: dropping a value may run its finalizer, and all that it calls, while the lock is held.
        self._lock = threading.RLock()
        # Value, weight, and the time at which it expires.
        self._entries: OrderedDict[K, tuple[V, int, float]] = OrderedDict()
        self._weight = 0

    @overload
    def get(self, key: K) -> V | None: ...
    @overload
    def get(self, key: K, default: D) -> V | D: ...
    def get(self, key: K, default: object = None) -> object:
        """Return the value, or `default` if there is none or it has expired."""
        with self._lock:
            entry = self._entries.get(key)
            if entry is None or entry[2] <= time.time():
                self.delete(key)
                return default
            self._entries.move_to_end(key)
            return entry[0]

    def set(self, key: K, value: V, *, ttl: float | timedelta | None = None) -> None:
        """Keep a value, in place of any former one.

        Args:
            key: Any hashable object.
            value: Kept as it is.
            ttl: Seconds, or a timedelta; the cache's own unless given.

        Raises:
            ValueError: `ttl` is not positive.
        """
        lifetime = self._ttl if ttl is None else _seconds(ttl)
        weight = self._weigh(value) if self._weigh else 0
        with self._lock:
            self.delete(key)
            if weight > self._max_weight:
                return
            while len(self._entries) >= self._max_entries or self._weight + weight > self._max_weight:
                self.delete(next(iter(self._entries)))
            self._entries[key] = (value, weight, time.time() + lifetime)
            self._weight += weight

    def delete(self, key: K) -> bool:
        """Forget an entry; return True if there was one, expired or not."""
        with self._lock:
            entry = self._entries.pop(key, None)
            if entry is not None:
                self._weight -= entry[1]
            return entry is not None

    def clear(self) -> None:
        """Forget all entries."""
        with self._lock:
            # Replaced, not emptied: a value's finalizer that uses this cache must not meet a half-emptied map.
            forgotten, self._entries = self._entries, OrderedDict()
            self._weight = 0
        del forgotten

    def cleanup_expired(self) -> int:
        """Free the entries that have expired; return their number."""
        with self._lock:
            now = time.time()
            return sum([self.delete(key) for key, entry in list(self._entries.items()) if entry[2] <= now])

    def keys(self) -> list[K]:
        """Return the keys at this moment, least recently used first; some of them may have expired."""
        with self._lock:
            return list(self._entries)

    def __len__(self) -> int:
        """Return the number of entries that take up room, expired ones included."""
        return len(self._entries)


def _seconds(ttl: float | timedelta) -> float:
    seconds = ttl.total_seconds() if isinstance(ttl, timedelta) else ttl
    # Written so that it refuses NaN, too.
    if not seconds > 0:
        raise ValueError("ttl must be more than 0 seconds")
    return seconds


class CacheUnavailableError(CacheException):
    """Raised by a backend that does not answer. The cache turns this into a miss; none of its callers sees it."""

    code = "CACHE_UNAVAILABLE"


class CacheBackend(Protocol):
    """Bytes by key, each for a time.

    The cache above has checked and prefixed the keys, encoded the values and bounded their size. Calls may come from
    any task of the event loop that made the backend, at the same time. One that talks to a server ends every call
    within a short timeout of its own, raises `CacheUnavailableError` for each failure and nothing else, and fails at
    once for a while after failures in a row (a circuit breaker).
    """

    async def get(self, key: str) -> bytes | None:
        """Return the value, or None if there is none or its time is over."""
        ...

    async def set(self, key: str, value: bytes, *, ttl: float) -> None:
        """Keep a value for so many seconds, in place of any former one."""
        ...

    async def delete(self, keys: Sequence[str]) -> None:
        """Forget those of these that are there."""
        ...

    async def clear(self, prefix: str) -> None:
        """Forget every key that begins with the prefix."""
        ...

    async def close(self) -> None:
        """Let go of connections and memory. Called once, last."""
        ...


class MemoryBackend:
    """The memory of this process: a value that one process deletes stays with the others until its time is over.

    Args:
        max_entries: The most values that are kept.
        max_bytes: The most bytes they have together, keys and bookkeeping (about 400 bytes each) not counted.
    """

    def __init__(self, *, max_entries: int, max_bytes: int) -> None:
        self._values: TTLCache[str, bytes] = TTLCache(
            max_entries=max_entries, ttl=float("inf"), max_weight=max_bytes, weigh=len
        )

    async def get(self, key: str) -> bytes | None:
        """See `CacheBackend`."""
        return self._values.get(key)

    async def set(self, key: str, value: bytes, *, ttl: float) -> None:
        """See `CacheBackend`; the least recently used values make room."""
        self._values.set(key, value, ttl=ttl)

    async def delete(self, keys: Sequence[str]) -> None:
        """See `CacheBackend`."""
        for key in keys:
            self._values.delete(key)

    async def clear(self, prefix: str) -> None:
        """See `CacheBackend`."""
        await self.delete([key for key in self._values.keys() if key.startswith(prefix)])  # noqa: SIM118 — no dict

    async def close(self) -> None:
        """See `CacheBackend`."""
        self._values.clear()
