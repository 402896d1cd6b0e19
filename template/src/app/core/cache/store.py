"""The calls on the process's cache: keys checked and prefixed, values as JSON, one load for many misses.

Its backend may be away: reading is then a miss, writing and deleting do nothing, and the loader answers. Without a
process they raise: a script whose `delete()` went to a cache of its own would leave the real one stale.
"""

import random
from collections.abc import Awaitable, Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Final, TypeVar, cast, overload

from app.core.cache.codec import Cacheable, Json, decode, encode, model_of
from app.core.cache.keys import check_key
from app.core.cache.memory import CacheBackend, CacheUnavailableError, MemoryBackend
from app.core.cache.single_flight import SingleFlight
from app.core.config import CacheSettings
from app.core.exceptions import CacheException
from app.core.logging import get_logger
from app.core.process import get_object

T = TypeVar("T", bound=Cacheable)
M = TypeVar("M")
D = TypeVar("D")

# Longer is not caching but storing; and milliseconds beyond it do not fit everywhere.
MAX_TTL_SECONDS: Final = 366 * 24 * 3600

logger = get_logger(__name__)


@dataclass(frozen=True, kw_only=True)
class Cache:
    """One for all requests of a process.

    Attributes:
        backend: The place where values are kept. With one that is shared, processes share values, while concurrent
            misses are brought together per process and event loop.
        namespace: In front of every key. Applications and releases that must not read each other's values have
            different ones.
        default_ttl: Seconds a value is kept unless a call says otherwise.
        ttl_jitter: Each time is shortened by a random part of at most this much (0 to 1), so that values that were
            stored together do not expire together. Never lengthened.
        max_value_bytes: The largest value that is kept, as JSON.
    """

    backend: CacheBackend
    namespace: str
    default_ttl: float
    ttl_jitter: float
    max_value_bytes: int
    flights: SingleFlight[bytes] = field(default_factory=SingleFlight)

    def lifetime(self, ttl: float | None) -> float:
        """Return the seconds that a value is kept, jitter included; CacheException for a time out of range."""
        lifetime = self.default_ttl if ttl is None else ttl
        if not 0 < lifetime <= MAX_TTL_SECONDS:
            raise CacheException(f"A value is cached for more than 0 and at most {MAX_TTL_SECONDS} seconds.")
        return lifetime * (1 - self.ttl_jitter * random.random())  # noqa: S311 — guessing it gains nothing

    async def read(self, name: str, model: type[object] | None) -> tuple[bytes, object] | None:
        """Return what is kept under a name, as it is stored and as it is handed out; None for a miss."""
        with suppress(CacheUnavailableError):
            data = await self.backend.get(name)
            try:
                return None if data is None else (data, decode(data, model))
            except (ValueError, RecursionError):
                logger.warning("a cached value is of another shape and counts as missing", key=name)
        return None


def make_cache(settings: CacheSettings, *, application_name: str, backend: CacheBackend | None = None) -> Cache:
    """Return a cache of the settings, in memory unless a backend is given.

    The application's name is in front of every key unless the settings name a prefix.
    """
    return Cache(
        backend=backend or MemoryBackend(max_entries=settings.max_entries, max_bytes=settings.max_memory_bytes),
        namespace=f"{settings.key_prefix or application_name}:{settings.key_version}:",
        default_ttl=settings.default_ttl_seconds,
        ttl_jitter=settings.ttl_jitter,
        max_value_bytes=settings.max_value_bytes,
    )


@overload
async def get(key: str, default: D = ...) -> Json | D: ...
@overload
async def get(key: str, *, model: type[M]) -> M | None: ...
async def get(key: str, default: object = None, *, model: type[object] | None = None) -> object:
    """Return a fresh copy of the value, or `default` if there is none.

    Args:
        key: 1 to 512 characters; `make_key()` makes one of any text.
        default: Returned for a miss; give one where a cached None matters.
        model: The type to read the value as, such as a Pydantic model, UUID, datetime or Decimal; plain JSON unless
            given. A value that does not fit it is a miss.

    Raises:
        CacheException: The key breaks its rule.
        ConfigurationError: This process has no cache; any call here raises it.
    """
    cache = get_object(Cache)
    found = await cache.read(cache.namespace + check_key(key), model)
    return default if found is None else found[1]


async def set(key: str, value: Cacheable, *, ttl: float | None = None) -> None:  # noqa: A001 — read as cache.set()
    """Keep a value.

    Args:
        key: See `get()`.
        value: Plain JSON (dicts with strings as keys, lists, strings, numbers, booleans, None); or a Pydantic model,
            UUID, datetime or Decimal, which `get()` reads back with `model`.
        ttl: Seconds.

    Raises:
        CacheException: The key, the value, its size or the time breaks a rule.
    """
    cache = get_object(Cache)
    name, lifetime, (data, _) = cache.namespace + check_key(key), cache.lifetime(ttl), encode(value, model_of(value))
    if len(data) > cache.max_value_bytes:
        raise CacheException(
            f"A value of {len(data)} bytes cannot be cached: the limit is {cache.max_value_bytes} "
            "(CACHE_MAX_VALUE_BYTES)."
        )
    # A load that began earlier would overwrite this with something older.
    cache.flights.forget(name)
    with suppress(CacheUnavailableError):
        await cache.backend.set(name, data, ttl=lifetime)


async def delete(key: str) -> None:
    """Forget a value; see `delete_many()`."""
    await delete_many((key,))


async def delete_many(keys: Iterable[str]) -> None:
    """Forget values. Call it after the commit: before it, the old value may be loaded and kept again.

    A load of this process and loop that is under way is not stored.

    Raises:
        CacheException: One of the keys breaks its rule; nothing is deleted then.
    """
    cache = get_object(Cache)
    names = [cache.namespace + check_key(key) for key in keys]
    for name in names:
        cache.flights.forget(name)
    if names:
        with suppress(CacheUnavailableError):
            await cache.backend.delete(names)


async def get_or_set(
    key: str, loader: Callable[[], Awaitable[T]], *, ttl: float | None = None, model: type[T] | None = None
) -> T:
    """Return the cached value; else what the loader returns, which is kept.

    However many ask for a key at the same time, one loader runs: the first one's, in its own task. Its error goes to
    all of them, nothing is kept, and the next call loads anew. When its caller is cancelled, the loader of the next in
    line runs. Each caller gets a copy, the first one included. A value over the size limit is returned but not kept.

    Args:
        key: See `get()`.
        loader: Returns plain JSON, or the model; see `set()`. None is a value and is kept.
        ttl: Seconds the value is kept.
        model: The type of the values, where they are not plain JSON; see `get()`.

    Raises:
        CacheException: The key, the value or the time breaks a rule, or the loader asks for its own key.
        Exception: The error of the loader.
    """
    cache = get_object(Cache)
    name, lifetime = cache.namespace + check_key(key), cache.lifetime(ttl)
    mine: list[object] = []

    async def work() -> bytes:
        found = await cache.read(name, model)
        if found is None:
            found = encode(await loader(), model)
            if len(found[0]) > cache.max_value_bytes:
                logger.warning("a value is too large to be cached", key=name, bytes=len(found[0]))
            elif cache.flights.leads(name):
                with suppress(CacheUnavailableError):
                    await cache.backend.set(name, found[0], ttl=lifetime)
        mine.append(found[1])
        return found[0]

    data = await cache.flights.run(name, work)
    return cast("T", mine[0] if mine else decode(data, model))


async def clear() -> None:
    """Forget all values in this application's namespace."""
    cache = get_object(Cache)
    cache.flights.forget()
    with suppress(CacheUnavailableError):
        await cache.backend.clear(cache.namespace)
