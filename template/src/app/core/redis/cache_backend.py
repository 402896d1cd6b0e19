"""The cache in Redis, shared by all processes."""

import math
from collections.abc import Awaitable, Sequence
from typing import Final, cast

from app.core.cache import CacheBackend, CacheUnavailableError
from app.core.redis.connection import RedisConnection, RedisUnavailableError

# Keys in one command, and in one step of a walk over all of them: the server does nothing else meanwhile.
_BATCH: Final = 500
_PAGE: Final = 1000
# Characters with a meaning in the server's patterns (glob-style).
_SPECIAL: Final = str.maketrans({character: f"\\{character}" for character in "\\*?[]^-"})


class RedisCache(CacheBackend):
    """Values in Redis, which all processes see.

    Once a value could not be deleted or replaced, since Redis did not answer, this process empties the cache before it
    reads any again: an outage brings nothing old back. Other processes may read old values until then; if it ends
    before that, until their time is over.

    Args:
        redis: The connection to the place where the values are kept.
        prefix: The beginning of all keys of this cache.
    """

    def __init__(self, redis: RedisConnection, *, prefix: str) -> None:
        self._redis = redis
        self._prefix = prefix
        self._missed = 0  # changes that Redis may not have made
        self._emptying = False

    async def get(self, key: str) -> bytes | None:
        """See `CacheBackend`; the first call after an outage empties the cache, and the others miss meanwhile."""
        try:
            if self._missed:
                await self._empty()
            return cast("bytes | None", await self._redis.call("GET", key))
        except RedisUnavailableError as err:
            raise CacheUnavailableError("Redis did not answer.") from err

    async def set(self, key: str, value: bytes, *, ttl: float) -> None:
        """See `CacheBackend`; a server that has no room for it counts as away."""
        await self._change(self._redis.call("SET", key, value, "PX", max(1, math.ceil(ttl * 1000))))

    async def delete(self, keys: Sequence[str]) -> None:
        """See `CacheBackend`."""
        await self._change(self._unlink(keys))

    async def clear(self, prefix: str) -> None:
        """See `CacheBackend`. Walks over all keys of the server, each step within the timeout of a call."""
        await self._change(self._clear(prefix))

    async def _change(self, change: Awaitable[object]) -> None:
        try:
            await change
        except RedisUnavailableError as err:
            # It may have been made, or not, or will be yet; a value it was to replace may be there as well.
            self._missed += 1
            raise CacheUnavailableError("Redis did not answer.") from err

    async def _empty(self) -> None:
        if not self._emptying:
            self._emptying, known = True, self._missed
            try:
                await self._clear(self._prefix)
                self._missed -= known
            finally:
                self._emptying = False
        if self._missed:
            raise RedisUnavailableError("The cache is not empty yet.")

    async def _unlink(self, keys: Sequence[str | bytes]) -> None:
        for start in range(0, len(keys), _BATCH):
            # The server frees their memory in its own time.
            await self._redis.call("UNLINK", *keys[start : start + _BATCH])

    async def _clear(self, prefix: str) -> None:
        pattern = prefix.translate(_SPECIAL) + "*"
        cursor: int | None = None
        while cursor != 0:
            answer = await self._redis.call("SCAN", cursor or 0, "MATCH", pattern, "COUNT", _PAGE)
            cursor, keys = cast("tuple[int, list[bytes]]", answer)
            await self._unlink(keys)
