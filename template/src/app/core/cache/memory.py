"""The place where cached values are kept: the port, and the memory of this process behind it."""

import threading
import time
from collections import OrderedDict
from collections.abc import Hashable, Sequence
from datetime import timedelta
from typing import Generic, Protocol, TypeVar

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class TTLCache(Generic[K, V]):
    """A map that keeps each value for a time, and no more of them than it may: the least recently used make room.

    It may be used from any thread. Values are kept as they are, not copied.

    Args:
        max_entries: The most entries that are kept.
        ttl: Seconds an entry is kept unless `set()` is told otherwise, or a timedelta.
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
                self.delete(key)
                return default
            self._entries.move_to_end(key)
            return entry[0]

    def set(self, key: K, value: V, *, ttl: float | timedelta | None = None) -> None:
        """Keep a value, in place of any former one, for so many seconds; ValueError unless they are more than 0."""
        lifetime = self._ttl if ttl is None else ttl
        seconds = lifetime.total_seconds() if isinstance(lifetime, timedelta) else lifetime
        if seconds <= 0:
            raise ValueError("ttl must be more than 0 seconds")
        with self._lock:
            self.delete(key)
            while len(self._entries) >= self._max_entries:
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


class CacheUnavailableError(Exception):
    """Raised by a backend that does not answer; the cache turns it into a miss."""


class CacheBackend(Protocol):
    """Bytes by key, each for a time.

    One that talks to a server ends every call within a short timeout of its own, raises `CacheUnavailableError` for
    each failure and nothing else, and fails at once for a while after failures in a row (a circuit breaker).
    """

    async def get(self, key: str) -> bytes | None:
        """Return the value, or None if there is none or its time is over."""

    async def set(self, key: str, value: bytes, *, ttl: float) -> None:
        """Keep a value for so many seconds, in place of any former one."""

    async def delete(self, keys: Sequence[str]) -> None:
        """Forget those of these that are there."""

    async def clear(self, prefix: str) -> None:
        """Forget every key that begins with the prefix; other applications may keep theirs in the same place."""


class MemoryBackend:
    """The memory of this process: a value that one process deletes stays with the others until its time is over."""

    def __init__(self, *, max_entries: int) -> None:
        self._values: TTLCache[str, bytes] = TTLCache(max_entries=max_entries, ttl=float("inf"))

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

    async def clear(self, prefix: str) -> None:  # noqa: ARG002
        """Forget everything: no other application is in here."""
        self._values.clear()
