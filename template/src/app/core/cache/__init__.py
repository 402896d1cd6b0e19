"""Values that are expensive to get, kept for a while.

    from app.core import cache

    await cache.set(cache.make_key("rates", day), rates, ttl=3600)
    rates = await cache.get_or_set(cache.make_key("rates", day), load_rates, ttl=3600)

`@cached` does the same for a function, `@request_cached` for as long as one request lasts, and `TTLCache` is a map
for whatever never leaves the process.

| | shared between | kept as |
|---|---|---|
| `cache`, `@cached` | all requests of a process; all processes if the backend is shared | JSON, copied |
| `@request_cached` | the tasks of one request | the object itself |
| `TTLCache` | whoever holds it: requests, threads and event loops of one process | the object itself |
"""

from app.core.cache.backend import CacheBackend, CacheUnavailableError, MemoryBackend
from app.core.cache.codec import Cacheable, Json
from app.core.cache.decorator import CachedFunction, cached
from app.core.cache.door import (
    clear,
    delete,
    delete_many,
    get,
    get_cache,
    get_or_set,
    make_cache,
    set,  # noqa: A004 — read as cache.set()
)
from app.core.cache.keys import make_key
from app.core.cache.request_scope import RequestCache, request_cached
from app.core.cache.store import MISS, Cache
from app.core.cache.ttl_cache import TTLCache

__all__ = [
    "MISS",
    "Cache",
    "CacheBackend",
    "CacheUnavailableError",
    "Cacheable",
    "CachedFunction",
    "Json",
    "MemoryBackend",
    "RequestCache",
    "TTLCache",
    "cached",
    "clear",
    "delete",
    "delete_many",
    "get",
    "get_cache",
    "get_or_set",
    "make_cache",
    "make_key",
    "request_cached",
    "set",
]
