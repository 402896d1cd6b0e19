"""Where cached values are kept: the port, and the memory of this process behind it."""

from collections.abc import Sequence
from typing import Protocol

from app.core.cache.ttl_cache import TTLCache
from app.core.exceptions import CacheException


class CacheUnavailableError(CacheException):
    """A backend does not answer. The cache turns this into a miss; no caller of the cache ever sees it."""

    code = "CACHE_UNAVAILABLE"


class CacheBackend(Protocol):
    """Bytes by key, each for a time.

    The cache above has checked and prefixed the keys, encoded the values and bounded their size. A backend that
    talks to something which may be away keeps three more promises, and its own contract test holds them:

    - Every call ends within a timeout of the backend's own, which is short: a request waits for it.
    - A call that failed, for whatever reason, raises `CacheUnavailableError`, chained, and nothing else.
    - After failures in a row it fails at once for a while instead of trying again (a circuit breaker), and finds out
      by itself when the other side is back.

    Calls may come from any task of the event loop that made the backend, at the same time.
    """

    async def get(self, key: str) -> bytes | None:
        """The value; None if there is none or its time is over."""
        ...

    async def set(self, key: str, value: bytes, *, ttl: float) -> None:
        """Keep a value for so many seconds, in place of any former one."""
        ...

    async def delete(self, keys: Sequence[str]) -> None:
        """Forget these, whether or not they are there."""
        ...

    async def clear(self, prefix: str) -> None:
        """Forget every key that begins with the prefix."""
        ...

    async def close(self) -> None:
        """Let go of connections and memory. Called once, last."""
        ...


class MemoryBackend:
    """The memory of this process: gone with it, and not seen by other processes.

    A value that one worker deletes stays with the others until its time is over.

    Args:
        max_entries: How many values are kept at most.
        max_bytes: How many bytes they may have together, keys and bookkeeping (about 400 bytes each) not counted.
    """

    def __init__(self, *, max_entries: int, max_bytes: int) -> None:
        self._values: TTLCache[str, bytes] = TTLCache(
            max_entries=max_entries, ttl=float("inf"), max_weight=max_bytes, weigh=len
        )

    async def get(self, key: str) -> bytes | None:
        """See `CacheBackend`."""
        return self._values.get(key)

    async def set(self, key: str, value: bytes, *, ttl: float) -> None:
        """See `CacheBackend`; what is least recently used makes room."""
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
