"""The calls on the process's cache: keys prefixed, values as JSON, one load for many misses.

Its backend may be away: reading is then a miss, writing and deleting do nothing, and the loader answers. Without a
process they raise: a script whose `delete()` went to a cache of its own would leave the real one stale.
"""

import asyncio
import random
from collections.abc import Awaitable, Callable, Hashable, Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Final, TypeVar, cast, overload

from app.core.cache.encoding import Cacheable, decode, encode
from app.core.cache.memory import CacheBackend, CacheUnavailableError, MemoryBackend
from app.core.config import CacheSettings
from app.core.logging import get_logger
from app.core.process import get_object
from app.core.telemetry import Counter

T = TypeVar("T", bound=Cacheable)
K = TypeVar("K", bound=Hashable)
R = TypeVar("R")

logger = get_logger(__name__)

READS: Final = Counter("app_cache_reads_total", "Reads of the cache: a hit, or a miss.", "outcome")
_TTL_JITTER: Final = 0.1


@dataclass(frozen=True, kw_only=True)
class Cache:
    """The values of a process, or its part of those that processes share.

    Attributes:
        backend: The place where they are kept.
        namespace: In front of every key: tells applications apart, and releases that cache values in another shape.
        default_ttl: Seconds a value is kept unless a call says otherwise.
        ttl_jitter: The part of each time (0 to 1) that is random, so that values stored together do not expire
            together.
        flights: The loads that are under way.
    """

    backend: CacheBackend
    namespace: str
    default_ttl: float
    ttl_jitter: float
    flights: dict[str, asyncio.Future[bytes]] = field(default_factory=dict)

    async def read(self, name: str, model: object) -> tuple[bytes, object] | None:
        """Return what is kept under a name, as it is stored and as it is handed out; None for a miss."""
        with suppress(CacheUnavailableError):
            data = await self.backend.get(name)
            READS.add("miss" if data is None else "hit")
            try:
                return None if data is None else (data, decode(data, model))
            except (ValueError, RecursionError):
                logger.warning("a cached value is of another shape and counts as missing", key=name)
        return None

    async def write(self, name: str, data: bytes, ttl: float | None) -> None:
        """Keep a value for its time, jitter included."""
        lifetime = self.default_ttl if ttl is None else ttl
        if lifetime <= 0:
            raise ValueError("ttl must be more than 0 seconds")
        lifetime *= 1 - self.ttl_jitter * random.random()  # noqa: S311 — guessing it gains nothing
        with suppress(CacheUnavailableError):
            await self.backend.set(name, data, ttl=lifetime)


def make_cache(settings: CacheSettings, *, application_name: str, backend: CacheBackend | None = None) -> Cache:
    """Return a cache of the settings; in memory unless a backend is given."""
    return Cache(
        backend=backend or MemoryBackend(max_entries=settings.max_entries),
        namespace=f"{settings.key_prefix or application_name}:",
        default_ttl=settings.default_ttl_seconds,
        ttl_jitter=_TTL_JITTER,
    )


@overload
async def get(key: str, default: object = None) -> Any: ...  # noqa: ANN401 — what the JSON holds
@overload
async def get(key: str, *, model: type[R]) -> R | None: ...
async def get(key: str, default: object = None, *, model: object = None) -> object:
    """Return a fresh copy of the value, or `default` if there is none.

    Args:
        key: Any text; `make_key()` makes one of a caller's input.
        default: Returned for a miss; give one where a cached None matters.
        model: The type of the value, such as a Pydantic model or UUID, if it is not plain JSON. One that does not fit
            is a miss.
    """
    cache = get_object(Cache)
    found = await cache.read(cache.namespace + key, model)
    return default if found is None else found[1]


async def set(key: str, value: Cacheable, *, ttl: float | None = None) -> None:  # noqa: A001 — read as cache.set()
    """Keep a value for so many seconds: plain JSON, or what `get()` reads back with `model`.

    Raises:
        CacheException: It would not come back as it is.
    """
    cache = get_object(Cache)
    name = cache.namespace + key
    data, _ = encode(value)
    # A load that began earlier would overwrite this with something older.
    cache.flights.pop(name, None)
    await cache.write(name, data, ttl)


async def delete(key: str) -> None:
    """Forget a value, after the commit; see `delete_many()`."""
    await delete_many((key,))


async def delete_many(keys: Iterable[str]) -> None:
    """Forget values, and do not store what is being loaded for them.

    Call it after the commit: before it, the old value may be loaded and kept again.
    """
    cache = get_object(Cache)
    names = [cache.namespace + key for key in keys]
    for name in names:
        cache.flights.pop(name, None)
    with suppress(CacheUnavailableError):
        await cache.backend.delete(names)


async def clear() -> None:
    """Forget all values in this application's namespace."""
    cache = get_object(Cache)
    cache.flights.clear()
    with suppress(CacheUnavailableError):
        await cache.backend.clear(cache.namespace)


async def get_or_set(
    key: str, loader: Callable[[], Awaitable[T]], *, ttl: float | None = None, model: type[T] | None = None
) -> T:
    """Return a copy of the cached value; else of what the loader returns, None included, which is kept.

    However many ask for a key at the same time, one loader runs (`run_once()`). Its error goes to all of them, and the
    next call loads anew. `ttl` is in seconds; for `key` and `model` see `get()`.

    Raises:
        CacheException: The value would not come back as it is.
    """
    cache = get_object(Cache)
    name = cache.namespace + key
    mine: list[object] = []

    async def find_or_load() -> bytes:
        flight = cache.flights[name]
        found = await cache.read(name, model)
        if found is None:
            found = encode(await loader(), model)
            if cache.flights.get(name) is flight:
                await cache.write(name, found[0], ttl)
        mine.append(found[1])
        return found[0]

    data = await run_once(cache.flights, name, find_or_load)
    return cast("T", mine[0] if mine else decode(data, model))


async def run_once(
    flights: dict[K, asyncio.Future[R]], key: K, work: Callable[[], Awaitable[R]], *, keep: bool = False
) -> R:
    """Return the result of the work for a key, done once for all who ask while it is under way.

    The first to ask does it in its own task: with its context, its database session and its deadline. When it is
    cancelled, the next in line does the work with its own. A key that is taken out of `flights` begins anew; with
    `keep`, the result stays there for all who ask later.
    """
    while (flight := flights.get(key)) is not None:
        if not flight.done():
            await asyncio.wait([flight])  # and not the flight itself, which the first to be cancelled would cancel
        if not flight.cancelled():
            return flight.result()
    flight = flights[key] = asyncio.get_running_loop().create_future()
    try:
        flight.set_result(await work())
    except Exception as err:  # noqa: BLE001 — raised below, and in all who wait
        flight.set_exception(err)
    finally:
        flight.cancel()  # unless it is done: its caller was cancelled
        kept = keep and not flight.cancelled() and flight.exception() is None
        if not kept and flights.get(key) is flight:
            del flights[key]
    return flight.result()
