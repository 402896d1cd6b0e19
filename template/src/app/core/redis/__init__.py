"""What all processes of this service share: the cache, rate limits, and which sessions have ended.

    shared = await stack.enter_async_context(open_redis(settings.redis, name="shop"))

Redis is a help and never a need. Each part has its own way without it: the cache misses, rate limits are counted in
this process, ended sessions are learnt from the database. None of them raises, and a request waits for a server that
does not answer once at most, for `REDIS_TIMEOUT_SECONDS`.
"""

from app.core.redis.errors import RedisUnavailableError
from app.core.redis.opening import SharedState, open_redis

__all__ = ["RedisUnavailableError", "SharedState", "open_redis"]
