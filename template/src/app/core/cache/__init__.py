"""Values that are expensive to get, kept for a while.

    from app.core import cache

    await cache.set(cache.make_key("rates", day), rates, ttl=3600)
    rates = await cache.get_or_set(cache.make_key("rates", day), load_rates, ttl=3600)

`@cached` does the same for a function, `@request_cached` for as long as one request lasts, and `TTLCache` is a map
for values that never leave the process.

| | shared between | kept as |
|---|---|---|
| `cache`, `@cached` | all requests of a process; all processes if the backend is shared | JSON, copied |
| `@request_cached` | the tasks of one request | the object itself |
| `TTLCache` | the requests, threads and event loops of one process | the object itself |
"""

from app.core.cache.decorators import RequestCache, cached, request_cached
from app.core.cache.keys import make_key
from app.core.cache.memory import CacheBackend, CacheUnavailableError, MemoryBackend, TTLCache
from app.core.cache.store import (
    Cache,
    clear,
    delete,
    delete_many,
    get,
    get_or_set,
    make_cache,
    set,  # noqa: A004 — read as cache.set()
)

__all__ = [
    "Cache",
    "CacheBackend",
    "CacheUnavailableError",
    "MemoryBackend",
    "RequestCache",
    "TTLCache",
    "cached",
    "clear",
    "delete",
    "delete_many",
    "get",
    "get_or_set",
    "make_cache",
    "make_key",
    "request_cached",
    "set",
]
