"""The calls that application code makes on the process's cache.

Until there is one these raise, instead of caching somewhere else: a script whose `delete()` went to a cache of its
own would leave the real one stale.
"""

from collections.abc import Awaitable, Callable, Iterable
from typing import TYPE_CHECKING, TypeVar, overload

from app.core.cache.backend import CacheBackend, MemoryBackend
from app.core.cache.codec import Cacheable, Json
from app.core.cache.store import Cache
from app.core.process import get_object

if TYPE_CHECKING:  # reading settings is no part of what this costs to import
    from app.core.config import CacheSettings

T = TypeVar("T", bound=Cacheable)
D = TypeVar("D")


def make_cache(
    settings: "CacheSettings", *, application_name: str = "app", backend: CacheBackend | None = None
) -> Cache:
    """Make a cache of the settings. Nothing is connected.

    Args:
        settings: Times and bounds.
        application_name: In front of every key unless the settings name a prefix.
        backend: Where values are kept; in memory unless given. The cache closes it.
    """
    return Cache(
        backend or MemoryBackend(max_entries=settings.max_entries, max_bytes=settings.max_memory_bytes),
        namespace=f"{settings.key_prefix or application_name}:{settings.key_version}:",
        default_ttl=settings.default_ttl_seconds,
        ttl_jitter=settings.ttl_jitter,
        max_value_bytes=settings.max_value_bytes,
        load_timeout=settings.load_timeout_seconds,
    )


def get_cache() -> Cache:
    """Return the process's cache.

    Raises:
        ConfigurationError: There is none yet, or no longer.
    """
    return get_object(Cache)


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
