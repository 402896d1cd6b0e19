"""The parts that all processes of this service share: the cache, and rate limits.

    shared = await stack.enter_async_context(open_redis(settings.redis, name="shop"))

Redis is a help and never a need: without it, the cache misses, and rate limits are counted in this process. Neither
raises, and a request waits for a server that does not answer once at most, for `REDIS_TIMEOUT_SECONDS`.
"""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from app.core.cache import CacheBackend
from app.core.config.redis import RedisSettings
from app.core.health import HealthCheck
from app.core.redis.breaker import RedisUnavailableError
from app.core.security import RateLimits

if TYPE_CHECKING:  # the client takes a third of a second to import, for those who use it
    from app.core.redis.connection import RedisConnection


@dataclass(frozen=True, kw_only=True)
class SharedState:
    """The state that processes have in common. Switched off, each part is what it would be without this."""

    redis: "RedisConnection | None"  # None: switched off
    name: str  # in front of every key and channel

    @property
    def health_checks(self) -> Sequence[HealthCheck]:
        """Return the check that it answers; no request needs it."""
        return [HealthCheck("redis", self.redis.ping, required=False)] if self.redis else []

    def cache_backend(self) -> CacheBackend | None:
        """Return the place where the cache keeps its values; None: in memory."""
        if self.redis is None:
            return None
        from app.core.redis.cache_backend import RedisCache  # noqa: PLC0415

        return RedisCache(self.redis, prefix=f"{self.name}:")

    def rate_limits(self) -> RateLimits:
        """Return the limits in Redis; without it, those of this process."""
        if self.redis is None:
            return RateLimits()
        from app.core.redis.rate_limits import RedisRateLimits  # noqa: PLC0415

        # No cache's namespace has this mark in it, so that clearing one takes no allowance away.
        return RedisRateLimits(self.redis, prefix=f"{self.name}!limit:")


@asynccontextmanager
async def open_redis(settings: RedisSettings, *, name: str) -> AsyncIterator[SharedState]:
    """Have the connection of this process. A server that is away keeps no process from starting.

    Args:
        settings: Its address, and times.
        name: The application's, where several share a server.
    """
    if not settings.enabled or settings.url is None:
        yield SharedState(redis=None, name=name)
        return
    from app.core.redis.connection import RedisConnection  # noqa: PLC0415

    redis = RedisConnection(
        settings.url,
        name=name,
        timeout_seconds=settings.timeout_seconds,
        pool_size=settings.pool_size,
        retry_seconds=settings.retry_seconds,
        ca_file=str(settings.ca_file) if settings.ca_file else None,
    )
    try:
        yield SharedState(redis=redis, name=name)
    finally:
        await redis.close()
