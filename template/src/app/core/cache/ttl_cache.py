"""A bounded map whose entries expire: for one process, shared by its threads."""

import heapq
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Generic, NamedTuple, TypeVar, overload

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")
D = TypeVar("D")

# Overwritten and deleted entries leave their dates behind; so many of them are not worth tidying up.
_SPARE_DATES = 64


class _Entry(NamedTuple, Generic[V]):
    value: V
    weight: int
    expires_at: float
    number: int


class TTLCache(Generic[K, V]):
    """Keeps each value for a time, and no more of them than it may.

    What does not fit pushes others out: all expired entries first, then the least recently used. Reading counts as
    use. Any thread and any event loop may call any method at any time; nothing is shared between processes. There is
    no background thread: an expired entry is never returned, and its memory is freed when room is needed, when it is
    asked for, or by `cleanup_expired()`. Values are kept as they are, not copied.

    Time is monotonic, so that a clock that is set changes nothing. It may stand still while a machine is suspended.

    Args:
        max_entries: How many entries are kept at most.
        ttl: Seconds an entry is kept unless `set()` is told otherwise.
        max_weight: The most that all values may weigh together. A value that is heavier by itself is not kept at all.
        weigh: What a value weighs, such as `len` for bytes; needed with `max_weight`.
        clock: Seconds from any starting point, never going backwards.

    Raises:
        ValueError: A bound or a time is not positive, or only one of `max_weight` and `weigh` is given.
    """

    def __init__(
        self,
        *,
        max_entries: int,
        ttl: float,
        max_weight: int | None = None,
        weigh: Callable[[V], int] | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        if max_entries < 1 or (max_weight is not None and max_weight < 1):
            raise ValueError("max_entries and max_weight must be at least 1")
        if (max_weight is None) != (weigh is None):
            raise ValueError("max_weight and weigh belong together: give both or neither")
        self._max_entries = max_entries
        self._ttl = _positive(ttl)
        self._max_weight = max_weight
        self._weigh = weigh
        self._clock = clock
        # Reentrant: dropping a value may run its finalizer, and whatever that calls, while the lock is held.
        self._lock = threading.RLock()
        self._entries: OrderedDict[K, _Entry[V]] = OrderedDict()
        # (expires_at, number, key), soonest first. A date whose entry is gone or newer is skipped when it comes up.
        self._dates: list[tuple[float, int, K]] = []
        self._weight = 0
        self._number = 0

    @overload
    def get(self, key: K) -> V | None: ...
    @overload
    def get(self, key: K, default: D) -> V | D: ...
    def get(self, key: K, default: object = None) -> object:
        """The value, or `default` if there is none or it has expired."""
        with self._lock:
            entry = self._entries.get(key)
            if entry is None:
                return default
            if entry.expires_at <= self._clock():
                self._remove(key)
                return default
            self._entries.move_to_end(key)
            return entry.value

    def set(self, key: K, value: V, *, ttl: float | None = None) -> None:
        """Keep a value, in place of any former one.

        Args:
            key: What it is found by.
            value: Kept as it is.
            ttl: Seconds; the cache's own unless given.

        Raises:
            ValueError: `ttl` is not positive.
        """
        lifetime = self._ttl if ttl is None else _positive(ttl)
        weight = self._weigh(value) if self._weigh else 0
        with self._lock:
            self._remove(key)
            if self._max_weight is not None and weight > self._max_weight:
                return
            now = self._clock()
            if self._is_full(weight):
                self._remove_expired(now)
            while self._is_full(weight):
                self._remove(next(iter(self._entries)))
            self._number += 1
            entry = _Entry(value, weight, now + lifetime, self._number)
            self._entries[key] = entry
            self._weight += weight
            heapq.heappush(self._dates, (entry.expires_at, entry.number, key))
            if len(self._dates) > 2 * len(self._entries) + _SPARE_DATES:
                self._dates = [(entry.expires_at, entry.number, key) for key, entry in self._entries.items()]
                heapq.heapify(self._dates)

    def delete(self, key: K) -> bool:
        """Forget an entry; whether there was one, expired or not."""
        with self._lock:
            return self._remove(key)

    def clear(self) -> None:
        """Forget everything."""
        with self._lock:
            # Replaced, not emptied: a value's finalizer that uses this cache must not meet a half-emptied map.
            forgotten, self._entries = self._entries, OrderedDict()
            self._dates = []
            self._weight = 0
        del forgotten

    def cleanup_expired(self) -> int:
        """Free what has expired; how many entries that were."""
        with self._lock:
            return self._remove_expired(self._clock())

    def keys(self) -> list[K]:
        """The keys at this moment, least recently used first; some of them may have expired."""
        with self._lock:
            return list(self._entries)

    def __len__(self) -> int:
        """How many entries take up room, expired ones included."""
        return len(self._entries)

    def _is_full(self, weight: int) -> bool:
        too_heavy = self._max_weight is not None and self._weight + weight > self._max_weight
        return too_heavy or len(self._entries) >= self._max_entries

    def _remove(self, key: K) -> bool:
        entry = self._entries.pop(key, None)
        if entry is not None:
            self._weight -= entry.weight
        return entry is not None

    def _remove_expired(self, now: float) -> int:
        removed = 0
        while self._dates and self._dates[0][0] <= now:
            _, number, key = heapq.heappop(self._dates)
            entry = self._entries.get(key)
            if entry is not None and entry.number == number:
                removed += self._remove(key)
        return removed


def _positive(ttl: float) -> float:
    # Written so that it refuses NaN, too.
    if not ttl > 0:
        raise ValueError("ttl must be more than 0 seconds")
    return ttl
