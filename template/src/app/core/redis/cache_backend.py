"""The cache in Redis: shared by all processes, and not believed where a deletion is outstanding."""

import asyncio
import contextvars
import math
from collections.abc import Sequence
from typing import Final

from app.core.cache import CacheUnavailableError
from app.core.logging import get_logger
from app.core.redis.connection import RedisConnection
from app.core.redis.errors import RedisFullError, RedisUnavailableError

logger = get_logger(__name__)

# Keys that are remembered one by one while Redis is away; some 5 MB. Beyond it, everything will be forgotten instead.
_MAX_OVERDUE: Final = 10_000
# Keys in one command: the server does nothing else meanwhile.
_BATCH: Final = 500
# What means something in the server's patterns (glob-style).
_SPECIAL: Final = str.maketrans({character: f"\\{character}" for character in "\\*?[]^-"})


class _Overdue:
    """What is still to be deleted: single keys, and all that begin with a prefix."""

    def __init__(self) -> None:
        self.keys: set[str] = set()
        self.prefixes: set[str] = set()

    def __bool__(self) -> bool:
        return bool(self.keys or self.prefixes)

    def __contains__(self, key: str) -> bool:
        return key in self.keys or any(map(key.startswith, self.prefixes))

    def add(self, other: "_Overdue") -> None:
        self.keys |= other.keys
        self.prefixes |= other.prefixes


class RedisCache:
    """A `CacheBackend`.

    What was to be deleted or replaced while Redis did not answer is remembered, and deleted before this process reads
    it again: an outage brings nothing old back. Other processes may read old values for as long as this one takes to
    notice that Redis is back (`REDIS_RETRY_SECONDS`); if it ends before that, until their time is over.

    Args:
        redis: Where the values are kept.
        prefix: What all keys of this cache begin with.
    """

    def __init__(self, redis: RedisConnection, *, prefix: str) -> None:
        self._redis = redis
        self._prefix = prefix
        self._overdue = _Overdue()
        # Being deleted at this moment.
        self._in_hand = _Overdue()
        self._hand = asyncio.Lock()
        self._rest: asyncio.Task[None] | None = None
        redis.before_return(self._catch_up)

    async def get(self, key: str) -> bytes | None:
        """See `CacheBackend`."""
        try:
            if key in self._overdue or key in self._in_hand:
                self._redis.breaker.check()
                return None
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
            self._overdue.prefixes.add(prefix)
            raise self._owe([], err) from err

    async def close(self) -> None:
        """Delete what is outstanding, if that is possible now; the connection belongs to somebody else."""
        if self._rest is not None:
            self._rest.cancel()
            await asyncio.gather(self._rest, return_exceptions=True)
        try:
            await self._make_up()
        except RedisUnavailableError:
            logger.warning(
                "redis was away to the end; values that should have been deleted stay there until their time is over",
                extra={"keys": len(self._overdue.keys), "prefixes": len(self._overdue.prefixes)},
            )

    def _owe(self, keys: Sequence[str], err: RedisUnavailableError) -> CacheUnavailableError:
        overdue = self._overdue
        if self._prefix not in overdue.prefixes:
            overdue.keys.update(keys)
            if len(overdue.keys) > _MAX_OVERDUE:
                overdue.keys.clear()
                overdue.prefixes.add(self._prefix)
        # Nothing is read before the deletion has been made up for.
        self._redis.breaker.open(err.message)
        return CacheUnavailableError("Redis did not answer.")

    async def _catch_up(self) -> None:
        await self._make_up()
        # Under load there is always more: every value that cannot be kept adds to it until calls go through again.
        # It is not read meanwhile, so that nobody has to wait for the end of it.
        if self._overdue:
            self._rest = asyncio.create_task(self._make_up_for_the_rest(), context=contextvars.Context())

    async def _make_up_for_the_rest(self) -> None:
        try:
            while self._overdue:
                await self._make_up()
        except RedisUnavailableError as err:
            self._redis.breaker.open(err.message)

    async def _make_up(self) -> None:
        """Delete what is outstanding now."""
        async with self._hand:
            self._in_hand, self._overdue = self._overdue, _Overdue()
            try:
                for prefix in self._in_hand.prefixes:
                    await self._clear(prefix, unguarded=True)
                keys = list(self._in_hand.keys)
                for start in range(0, len(keys), _BATCH):
                    await self._redis.unlink(keys[start : start + _BATCH], unguarded=True)
            except BaseException:
                self._overdue.add(self._in_hand)
                raise
            finally:
                self._in_hand = _Overdue()

    async def _clear(self, prefix: str, *, unguarded: bool = False) -> None:
        pattern = prefix.translate(_SPECIAL) + "*"
        cursor = 0
        while True:
            cursor, keys = await self._redis.scan(cursor, pattern, unguarded=unguarded)
            for start in range(0, len(keys), _BATCH):
                await self._redis.unlink(keys[start : start + _BATCH], unguarded=unguarded)
            if cursor == 0:
                return
