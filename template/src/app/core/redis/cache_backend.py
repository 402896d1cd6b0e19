"""The cache in Redis: shared by all processes, and never believed while a deletion is outstanding."""

import math
from collections.abc import Sequence
from os.path import commonprefix
from typing import Final

from app.core.cache import CacheUnavailableError
from app.core.logging import get_logger
from app.core.redis.connection import RedisConnection
from app.core.redis.errors import RedisFullError, RedisUnavailableError

logger = get_logger(__name__)

# Keys that are remembered one by one while Redis is away; some 5 MB. Beyond it, everything that begins like all of
# them is forgotten instead.
_MAX_OVERDUE: Final = 10_000
# Keys in one command: the server does nothing else meanwhile.
_BATCH: Final = 500
# What means something in the server's patterns (glob-style).
_SPECIAL: Final = str.maketrans({character: f"\\{character}" for character in "\\*?[]^-"})


class RedisCache:
    """A `CacheBackend`.

    What was to be deleted or replaced while Redis did not answer is remembered, and deleted before this process reads
    from it again: an outage brings nothing old back. Other processes may read old values for as long as this one takes
    to notice that Redis is back (`REDIS_RETRY_SECONDS`); if it ends before that, until their time is over.
    """

    def __init__(self, redis: RedisConnection) -> None:
        self._redis = redis
        self._overdue: set[str] = set()
        self._overdue_prefixes: set[str] = set()
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
            await self.delete([key])
        except RedisUnavailableError as err:
            # It may have been kept, or not, or will be yet; what it was to replace may be there as well.
            raise self._owe([key], err) from err

    async def delete(self, keys: Sequence[str]) -> None:
        """See `CacheBackend`."""
        for start in range(0, len(keys), _BATCH):
            try:
                await self._redis.unlink(keys[start : start + _BATCH])
            except RedisUnavailableError as err:
                raise self._owe(keys[start:], err) from err

    async def clear(self, prefix: str) -> None:
        """See `CacheBackend`. Walks over all keys of the server, each step within the timeout of a call."""
        try:
            await self._clear(prefix)
        except RedisUnavailableError as err:
            self._overdue_prefixes.add(prefix)
            raise self._owe([], err) from err

    async def close(self) -> None:
        """Delete what is outstanding, if that is possible now; the connection belongs to somebody else."""
        try:
            await self._catch_up()
        except RedisUnavailableError:
            logger.warning(
                "redis was away to the end; values that should have been deleted stay there until their time is over",
                extra={"keys": len(self._overdue), "prefixes": len(self._overdue_prefixes)},
            )

    def _owe(self, keys: Sequence[str], err: RedisUnavailableError) -> CacheUnavailableError:
        self._overdue.update(keys)
        if len(self._overdue) > _MAX_OVERDUE:
            self._overdue_prefixes.add(commonprefix(list(self._overdue)))
            self._overdue.clear()
        # Nothing is read before the deletion has been made up for.
        self._redis.breaker.open(err.message)
        return CacheUnavailableError("Redis did not answer.")

    async def _catch_up(self) -> None:
        """What is added while this runs is done, too: taken out first, so that what comes again is not lost."""
        while self._overdue_prefixes:
            prefix = self._overdue_prefixes.pop()
            try:
                await self._clear(prefix, unguarded=True)
            except BaseException:
                self._overdue_prefixes.add(prefix)
                raise
        while self._overdue:
            keys = [self._overdue.pop() for _ in range(min(_BATCH, len(self._overdue)))]
            try:
                await self._redis.unlink(keys, unguarded=True)
            except BaseException:
                self._overdue.update(keys)
                raise
        # A clear that failed meanwhile.
        if self._overdue_prefixes:
            await self._catch_up()

    async def _clear(self, prefix: str, *, unguarded: bool = False) -> None:
        pattern = prefix.translate(_SPECIAL) + "*"
        cursor = 0
        while True:
            cursor, keys = await self._redis.scan(cursor, pattern, unguarded=unguarded)
            for start in range(0, len(keys), _BATCH):
                await self._redis.unlink(keys[start : start + _BATCH], unguarded=unguarded)
            if cursor == 0:
                return
