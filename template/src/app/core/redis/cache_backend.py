"""The cache in Redis: shared by all processes, and not read while a change that it missed is outstanding."""

import math
from collections.abc import Sequence
from typing import Final

from app.core.cache import CacheUnavailableError
from app.core.logging import get_logger
from app.core.redis.breaker import RedisFullError, RedisUnavailableError
from app.core.redis.connection import RedisConnection

logger = get_logger(__name__)

# Keys that are remembered one by one while Redis is away; some 5 MB. Beyond it, all values are deleted instead.
_MAX_MISSED: Final = 10_000
# Keys in one command: the server does nothing else meanwhile.
_BATCH: Final = 500
# Characters with a meaning in the server's patterns (glob-style).
_SPECIAL: Final = str.maketrans({character: f"\\{character}" for character in "\\*?[]^-"})


class RedisCache:
    """A `CacheBackend`.

    A value that was to be deleted or replaced while Redis did not answer is deleted before this process reads any
    again: an outage brings nothing old back. Other processes may read old values for as long as this one
    takes to notice that Redis is back (`REDIS_RETRY_SECONDS`); if it ends before that, until their time is over.

    Args:
        redis: The connection to the place where the values are kept.
        prefix: The beginning of all keys of this cache.
    """

    def __init__(self, redis: RedisConnection, *, prefix: str) -> None:
        self._redis = redis
        self._prefix = prefix
        self._missed: set[str] = set()
        self._missed_clear = False
        self._full = False
        redis.before_return(self._catch_up)

    async def get(self, key: str) -> bytes | None:
        """See `CacheBackend`."""
        try:
            return await self._redis.get(key)
        except RedisUnavailableError as err:
            raise CacheUnavailableError("Redis did not answer.") from err

    async def set(self, key: str, value: bytes, *, ttl: float) -> None:
        """See `CacheBackend`; without room for it, the former value goes and none takes its place."""
        try:
            await self._redis.set(key, value, ttl_ms=math.ceil(ttl * 1000))
        except RedisFullError:
            if not self._full:
                logger.warning("redis is out of memory; give it more, or a maxmemory-policy that evicts")
            self._full = True
            await self.delete([key])
        except RedisUnavailableError as err:
            # It may have been kept, or not, or will be yet; the value it was to replace may be there as well.
            raise self._miss([key], err) from err

    async def delete(self, keys: Sequence[str]) -> None:
        """See `CacheBackend`."""
        try:
            await self._unlink(keys)
        except RedisUnavailableError as err:
            raise self._miss(keys, err) from err

    async def clear(self, prefix: str) -> None:
        """See `CacheBackend`. Walks over all keys of the server, each step within the timeout of a call."""
        try:
            await self._clear(prefix)
        except RedisUnavailableError as err:
            self._missed_clear = True
            raise self._miss([], err) from err

    async def close(self) -> None:
        """Make up for what was missed, if that is possible now; the connection is closed by its owner."""
        try:
            await self._catch_up()
        except RedisUnavailableError:
            logger.warning("redis was away to the end; values that should be deleted stay until their time is over")

    def _miss(self, keys: Sequence[str], err: RedisUnavailableError) -> CacheUnavailableError:
        self._missed.update(keys)
        if len(self._missed) > _MAX_MISSED:
            self._missed_clear = True
        if self._missed_clear:
            self._missed.clear()
        # Nothing is read before the deletion is repeated.
        self._redis.breaker.open(err.message)
        return CacheUnavailableError("Redis did not answer.")

    async def _catch_up(self) -> None:
        keys, clear = self._missed, self._missed_clear
        self._missed, self._missed_clear = set(), False
        try:
            await (self._clear(self._prefix, unguarded=True) if clear else self._unlink(list(keys), unguarded=True))
        except BaseException:
            self._missed |= keys
            self._missed_clear |= clear
            raise

    async def _unlink(self, keys: Sequence[str | bytes], *, unguarded: bool = False) -> None:
        for start in range(0, len(keys), _BATCH):
            await self._redis.unlink(keys[start : start + _BATCH], unguarded=unguarded)

    async def _clear(self, prefix: str, *, unguarded: bool = False) -> None:
        pattern = prefix.translate(_SPECIAL) + "*"
        cursor: int | None = None
        while cursor != 0:
            cursor, keys = await self._redis.scan(cursor or 0, pattern, unguarded=unguarded)
            await self._unlink(keys, unguarded=unguarded)
