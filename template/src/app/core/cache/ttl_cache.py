"""A bounded map whose entries expire: for one process, shared by its threads."""

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Hashable
from datetime import timedelta
from typing import Generic, NamedTuple, TypeVar, overload

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")
D = TypeVar("D")


class _Entry(NamedTuple, Generic[V]):
    value: V
    weight: int
    expires_at: float


class TTLCache(Generic[K, V]):
    """A map that keeps each value for a time, and no more of them than it may.

    The least recently used make room for what is new; reading counts as use. Any thread and any event loop may call
    any method at any time; nothing is shared between processes. There is no background thread: an expired entry is
    never returned, and its memory is freed when room is needed, when it is asked for, or by `cleanup_expired()`.
    Values are kept as they are, not copied. Time is the wall clock's, which tests can move.

    Args:
        max_entries: How many entries are kept at most.
        ttl: Seconds an entry is kept unless `set()` is told otherwise, or a timedelta.
        max_weight: The most that all values may weigh together. A value that is heavier by itself is not kept at all.
        weigh: What a value weighs, such as `len` for bytes; needed with `max_weight`.

    Raises:
        ValueError: A bound or a time is not positive, or only one of `max_weight` and `weigh` is given.
    """

    def __init__(
        self,
        *,
        max_entries: int,
        ttl: float | timedelta,
        max_weight: int | None = None,
        weigh: Callable[[V], int] | None = None,
    ) -> None:
        if max_entries < 1 or (max_weight is not None and max_weight < 1):
            raise ValueError("max_entries and max_weight must be at least 1")
        if (max_weight is None) != (weigh is None):
            raise ValueError("max_weight and weigh belong together: give both or neither")
        self._max_entries = max_entries
        self._ttl = _seconds(ttl)
        self._max_weight = max_weight
        self._weigh = weigh
        # Reentrant: dropping a value may run its finalizer, and whatever that calls, while the lock is held.
        self._lock = threading.RLock()
        self._entries: OrderedDict[K, _Entry[V]] = OrderedDict()
        self._weight = 0

    @overload
    def get(self, key: K) -> V | None: ...
    @overload
    def get(self, key: K, default: D) -> V | D: ...
    def get(self, key: K, default: object = None) -> object:
        """Return the value, or `default` if there is none or it has expired."""
        with self._lock:
            entry = self._entries.get(key)
            if entry is None:
                return default
            if entry.expires_at <= time.time():
                self._remove(key)
                return default
            self._entries.move_to_end(key)
            return entry.value

    def set(self, key: K, value: V, *, ttl: float | timedelta | None = None) -> None:
        """Keep a value, in place of any former one.

        Args:
            key: What it is found by.
            value: Kept as it is.
            ttl: Seconds, or a timedelta; the cache's own unless given.

        Raises:
            ValueError: `ttl` is not positive.
        """
        lifetime = self._ttl if ttl is None else _seconds(ttl)
        weight = self._weigh(value) if self._weigh else 0
        with self._lock:
            self._remove(key)
            if self._max_weight is not None and weight > self._max_weight:
                return
            while self._is_full(weight):
                self._remove(next(iter(self._entries)))
            self._entries[key] = _Entry(value, weight, time.time() + lifetime)
            self._weight += weight

    def delete(self, key: K) -> bool:
        """Forget an entry; return True if there was one, expired or not."""
        with self._lock:
            return self._remove(key)

    def clear(self) -> None:
        """Forget all entries."""
        with self._lock:
            # Replaced, not emptied: a value's finalizer that uses this cache must not meet a half-emptied map.
            forgotten, self._entries = self._entries, OrderedDict()
            self._weight = 0
        del forgotten

    def cleanup_expired(self) -> int:
        """Free the entries that have expired, and return their number."""
        with self._lock:
            now = time.time()
            expired = [key for key, entry in self._entries.items() if entry.expires_at <= now]
            return sum(map(self._remove, expired))

    def keys(self) -> list[K]:
        """Return the keys at this moment, least recently used first; some of them may have expired."""
        with self._lock:
            return list(self._entries)

    def __len__(self) -> int:
        """Return the number of entries that take up room, expired ones included."""
        return len(self._entries)

    def _is_full(self, weight: int) -> bool:
        too_heavy = self._max_weight is not None and self._weight + weight > self._max_weight
        return too_heavy or len(self._entries) >= self._max_entries

    def _remove(self, key: K) -> bool:
        entry = self._entries.pop(key, None)
        if entry is not None:
            self._weight -= entry.weight
        return entry is not None


def _seconds(ttl: float | timedelta) -> float:
    seconds = ttl.total_seconds() if isinstance(ttl, timedelta) else ttl
    # Written so that it refuses NaN, too.
    if not seconds > 0:
        raise ValueError("ttl must be more than 0 seconds")
    return seconds
