"""The process's one cache, opened and closed by the lifespan, and the calls that application code makes on it.

Until it is opened these raise, instead of caching somewhere else: a script whose `delete()` went to a cache of its
own would leave the real one stale.
"""

from collections.abc import Awaitable, Callable, Iterable
from typing import TYPE_CHECKING, Final, TypeVar, overload

from app.core.cache.backend import CacheBackend, MemoryBackend
from app.core.cache.codec import Cacheable, Json
from app.core.cache.store import Cache
from app.core.singletons import ProcessWide

if TYPE_CHECKING:  # reading settings is no part of what this costs to import
    from app.core.config import CacheSettings

T = TypeVar("T", bound=Cacheable)
D = TypeVar("D")

_current: Final = ProcessWide[Cache]("The cache is", init="init_cache(settings)", close="close_cache()")


def init_cache(
    settings: "CacheSettings", *, application_name: str = "app", backend: CacheBackend | None = None
) -> Cache:
    """Make the process's cache. Nothing is connected.

    Args:
        settings: Times and bounds.
        application_name: In front of every key unless the settings name a prefix.
        backend: Where values are kept; in memory unless given. The cache closes it.

    Raises:
        ConfigurationError: There is a cache already.
    """
    return _current.open(
        lambda: Cache(
            backend or MemoryBackend(max_entries=settings.max_entries, max_bytes=settings.max_memory_bytes),
            namespace=f"{settings.key_prefix or application_name}:{settings.key_version}:",
            default_ttl=settings.default_ttl_seconds,
            ttl_jitter=settings.ttl_jitter,
            max_value_bytes=settings.max_value_bytes,
            load_timeout=settings.load_timeout_seconds,
        )
    )


async def close_cache() -> None:
    """Close the process's cache, if there is one."""
    if (cache := _current.take()) is not None:
        await cache.close()


def get_cache() -> Cache:
    """The process's cache.

    Raises:
        ConfigurationError: There is none yet, or no longer.
    """
    return _current.get()


@overload
async def get(key: str) -> Json: ...
@overload
async def get(key: str, default: D) -> Json | D: ...
async def get(key: str, default: object = None) -> object:
    """See `Cache.get()`."""
    return await get_cache().get(key, default)


async def set(key: str, value: Cacheable, *, ttl: float | None = None) -> None:  # noqa: A001 — read as cache.set()
    """See `Cache.set()`."""
    await get_cache().set(key, value, ttl=ttl)


async def delete(key: str) -> None:
    """See `Cache.delete()`."""
    await get_cache().delete(key)


async def delete_many(keys: Iterable[str]) -> None:
    """See `Cache.delete_many()`."""
    await get_cache().delete_many(keys)


async def get_or_set(
    key: str, loader: Callable[[], Awaitable[T]], *, ttl: float | None = None, load_timeout: float | None = None
) -> T:
    """See `Cache.get_or_set()`."""
    return await get_cache().get_or_set(key, loader, ttl=ttl, load_timeout=load_timeout)


async def clear() -> None:
    """See `Cache.clear()`."""
    await get_cache().clear()
