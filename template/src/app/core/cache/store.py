"""The cache itself: keys checked and prefixed, values as JSON, one load for many misses, and never an error of its own.

Its backend may be away: reading is then a miss, writing and deleting do nothing, and the loader answers.
"""

import asyncio
import builtins
import math
import random
from collections.abc import Awaitable, Callable, Iterable
from enum import Enum
from typing import Final, TypeVar, cast, overload

from app.core.cache.backend import CacheBackend, CacheUnavailableError
from app.core.cache.codec import Cacheable, Json, decode, encode
from app.core.cache.keys import check_key
from app.core.cache.single_flight import SingleFlight
from app.core.exceptions import CacheException, TimeoutError
from app.core.logging import get_logger

T = TypeVar("T", bound=Cacheable)
D = TypeVar("D")
R = TypeVar("R")

# Longer is not caching but storing; and milliseconds beyond it do not fit everywhere.
MAX_TTL_SECONDS: Final = 366 * 24 * 3600

logger = get_logger(__name__)


class Missing(Enum):
    """The type of `MISS`."""

    MISS = "miss"


# What to pass as `default` where None is a value: `if await cache.get(key, cache.MISS) is cache.MISS`.
MISS: Final = Missing.MISS


class Cache:
    """Values by key, each for a time.

    One object serves all requests of a process. With the backend in memory nothing is shared between processes; with
    one that is shared, values are, while concurrent misses are brought together per process and event loop.

    Args:
        backend: Where values are kept.
        namespace: Put in front of every key. Applications and releases that must not read each other's values have
            different ones.
        default_ttl: Seconds a value is kept unless a call says otherwise.
        ttl_jitter: Each time is shortened by a random part of at most this much (0 to 1), so that values that were
            stored together do not expire together. Never lengthened.
        max_value_bytes: The largest value that is kept, as JSON.
        load_timeout: Seconds a loader may take unless a call says otherwise.
    """

    def __init__(
        self,
        backend: CacheBackend,
        *,
        namespace: str,
        default_ttl: float,
        ttl_jitter: float,
        max_value_bytes: int,
        load_timeout: float,
    ) -> None:
        self._backend = backend
        self._namespace = namespace
        self._default_ttl = default_ttl
        self._ttl_jitter = ttl_jitter
        self._max_value_bytes = max_value_bytes
        self._load_timeout = load_timeout
        self._flights: SingleFlight[bytes] = SingleFlight()
        self._available = True

    @overload
    async def get(self, key: str) -> Json: ...
    @overload
    async def get(self, key: str, default: D) -> Json | D: ...
    async def get(self, key: str, default: object = None) -> object:
        """A fresh copy of the value, or `default` if there is none; pass `MISS` where a cached None matters.

        Raises:
            CacheException: The key breaks a rule of `check_key()`.
        """
        data, value = await self._read(self._name(key))
        return default if data is None else value

    async def set(self, key: str, value: Cacheable, *, ttl: float | None = None) -> None:
        """Keep a value.

        Args:
            key: At most 512 characters.
            value: Plain JSON: dicts with strings as keys, lists, strings, numbers, booleans, None.
            ttl: Seconds.

        Raises:
            CacheException: The key, the value, its size or the time breaks a rule.
        """
        name, lifetime, data = self._name(key), self._lifetime(ttl), encode(value)
        if len(data) > self._max_value_bytes:
            raise CacheException(
                f"A value of {len(data)} bytes cannot be cached: the limit is {self._max_value_bytes} "
                "(CACHE_MAX_VALUE_BYTES)."
            )
        # A load that began earlier would overwrite this with something older.
        self._flights.forget(name)
        await self._write(name, data, lifetime)

    async def delete(self, key: str) -> None:
        """Forget a value. Call it after the commit: before it, the old value may be loaded and kept again.

        A load of this process and loop that is under way is not stored. With a backend that is away the old value
        may live on until its time is over.

        Raises:
            CacheException: The key breaks a rule.
        """
        await self.delete_many((key,))

    async def delete_many(self, keys: Iterable[str]) -> None:
        """Forget several values at once; see `delete()`.

        Raises:
            CacheException: One of the keys breaks a rule; nothing is deleted then.
        """
        names = [self._name(key) for key in keys]
        for name in names:
            self._flights.forget(name)
        if names:
            await self._attempt(self._backend.delete(names), None)

    async def get_or_set(
        self,
        key: str,
        loader: Callable[[], Awaitable[T]],
        *,
        ttl: float | None = None,
        load_timeout: float | None = None,
    ) -> T:
        """The cached value; else what the loader returns, which is kept.

        However many ask for a key at the same time, one loader runs: the first one's, in its own task. Its error
        goes to all of them, nothing is kept, and the next call loads anew. When its caller is cancelled, the loader
        of the next in line runs. Everybody gets a copy of their own, the first one included. A value over the size
        limit is returned but not kept, and logged.

        Args:
            key: At most 512 characters.
            loader: Returns plain JSON; see `set()`. None is a value and is kept.
            ttl: Seconds the value is kept.
            load_timeout: Seconds the loader may take. A loader that hangs would otherwise block its key for good.

        Raises:
            CacheException: The key, the value or the time breaks a rule, or the loader asks for its own key.
            TimeoutError: The loader took too long.
            Exception: Whatever the loader raised.
        """
        name, lifetime = self._name(key), self._lifetime(ttl)
        limit = self._load_timeout if load_timeout is None else load_timeout
        mine: list[Json] = []

        async def work() -> bytes:
            data, value = await self._read(name)
            if data is None:
                data = encode(await _limited(loader, limit))
                await self._keep(name, data, lifetime)
                value = decode(data)
            mine.append(value)
            return data

        data = await self._flights.run(name, work)
        return cast("T", mine[0] if mine else decode(data))

    async def clear(self) -> None:
        """Forget everything in this cache's namespace."""
        self._flights.forget_all()
        await self._attempt(self._backend.clear(self._namespace), None)

    async def close(self) -> None:
        """Close the backend."""
        await self._backend.close()

    def _name(self, key: str) -> str:
        return self._namespace + check_key(key)

    def _lifetime(self, ttl: float | None) -> float:
        lifetime = self._default_ttl if ttl is None else ttl
        if not 0 < lifetime <= MAX_TTL_SECONDS or math.isnan(lifetime):
            raise CacheException(f"A value is cached for more than 0 and at most {MAX_TTL_SECONDS} seconds.")
        return lifetime * (1 - self._ttl_jitter * random.random())  # noqa: S311 — nobody gains by guessing it

    async def _read(self, name: str) -> tuple[bytes | None, Json]:
        data = await self._attempt(self._backend.get(name), None)
        if data is None:
            return None, None
        try:
            return data, decode(data)
        except ValueError:
            logger.warning("a cached value is not JSON and counts as missing", key=name)
            return None, None

    async def _keep(self, name: str, data: bytes, lifetime: float) -> None:
        if len(data) > self._max_value_bytes:
            logger.warning("a value is too large to be cached", key=name, bytes=len(data), limit=self._max_value_bytes)
        elif self._flights.leads(name):
            await self._write(name, data, lifetime)

    async def _write(self, name: str, data: bytes, lifetime: float) -> None:
        await self._attempt(self._backend.set(name, data, ttl=lifetime), None)

    async def _attempt(self, call: Awaitable[R], otherwise: R) -> R:
        """What the backend answers, or `otherwise`. The log has a line per outage, not one per request."""
        try:
            result = await call
        except CacheUnavailableError as err:
            if self._available:
                logger.warning("the cache is unavailable", reason=str(err.__cause__ or err))
            self._available = False
            return otherwise
        if not self._available:
            logger.info("the cache is available again")
        self._available = True
        return result


async def _limited(loader: Callable[[], Awaitable[T]], seconds: float) -> T:
    try:
        async with asyncio.timeout(seconds) as scope:
            return await loader()
    except builtins.TimeoutError:
        if not scope.expired():
            raise
        raise TimeoutError("Loading a value for the cache took too long.", details={"seconds": seconds}) from None
