"""The parts that all processes of this service share: the cache, and rate limits.

    shared = await stack.enter_async_context(open_redis(settings.redis, name="shop"))

Redis is a help and never a need: without it, the cache misses, and rate limits are counted in this process. Neither
raises, and a request waits for a server that does not answer once at most, for `REDIS_TIMEOUT_SECONDS`.
"""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import NamedTuple

from app.core.cache import CacheBackend
from app.core.config.redis import RedisSettings
from app.core.health import HealthCheck
from app.core.security import RateLimits


class SharedState(NamedTuple):
    """The state that processes have in common. Switched off, each part is what it would be without this.

    Attributes:
        cache_backend: The place where the cache keeps its values; None: in memory.
        rate_limits: The limits in Redis; without it, those of this process.
        health_checks: The check that Redis answers; no request needs it.
    """

    cache_backend: CacheBackend | None
    rate_limits: RateLimits
    health_checks: Sequence[HealthCheck]


@asynccontextmanager
async def open_redis(settings: RedisSettings, *, name: str) -> AsyncIterator[SharedState]:
    """Have the connection of this process. A server that is away keeps no process from starting.

    Args:
        settings: Its address, and times.
        name: The application's, where several share a server.
    """
    if not settings.enabled or settings.url is None:
        yield SharedState(None, RateLimits(), [])
        return
    # The client takes a third of a second to import.
    from app.core.redis.cache_backend import RedisCache  # noqa: PLC0415
    from app.core.redis.connection import RedisConnection  # noqa: PLC0415
    from app.core.redis.rate_limits import RedisRateLimits  # noqa: PLC0415

    redis = RedisConnection(
        settings.url,
        name=name,
        timeout_seconds=settings.timeout_seconds,
        pool_size=settings.pool_size,
        retry_seconds=settings.retry_seconds,
        ca_file=str(settings.ca_file) if settings.ca_file else None,
    )
    try:
        yield SharedState(
            RedisCache(redis, prefix=f"{name}:"),
            # No cache's namespace has this mark in it, so that clearing one takes no allowance away.
            RedisRateLimits(redis, prefix=f"{name}!limit:"),
            [HealthCheck("redis", redis.ping, required=False)],
        )
    finally:
        await redis.close()
