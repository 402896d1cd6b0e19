"""Values that are expensive to get, kept for a while.

    from app.core import cache

    rates = await cache.get_or_set(cache.make_key("rates", day), load_rates, ttl=3600)

`cache` and `@cached` keep copies, as JSON, for all requests of the process (of all processes with a shared backend).
`@request_cached` keeps the object itself for the tasks of one request, `TTLCache` for the threads of one process.
"""

from app.core.cache.memory import CacheBackend, CacheUnavailableError, RequestCache, TTLCache, request_cached
from app.core.cache.store import Cache, cached, clear, delete, delete_many, get, get_or_set, make_cache, make_key
from app.core.cache.store import set as set  # noqa: A004 — read as cache.set()
