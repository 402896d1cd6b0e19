"""Allowances in Redis: one for all processes; in this process's memory while Redis is away."""

from hashlib import blake2b
from typing import Final, cast

from app.core.redis.connection import RedisConnection, RedisUnavailableError
from app.core.security import Rate, RateLimits

# As `RateLimits.hit` and, with -1 for the third argument, `refund`. It counts microseconds by the server's clock, which
# all processes share. The time at which an allowance is full again can be no later than a whole period from now, even
# if that clock was set back. Numbers come back as whole ones.
_SCRIPT: Final = """
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local interval, period, times = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local full_at = math.min(math.max(tonumber(redis.call('GET', KEYS[1]) or now), now), now + period) + interval * times
local wait = full_at - now - period
if times > 0 and wait > math.max(interval * 1e-6, 1) then return math.ceil(wait) end
if full_at > now then
  redis.call('SET', KEYS[1], string.format('%.0f', full_at), 'PX', math.ceil((full_at - now) / 1000))
else
  redis.call('UNLINK', KEYS[1])
end
return 0
"""
_MICROSECONDS: Final = 1_000_000


class RedisRateLimits(RateLimits):
    """See `RateLimits`. While Redis is away every process grants the allowance by itself, beginning with a full one.

    Keys are stored as hashes: they hold addresses and account names, as long as a caller likes.

    Args:
        redis: Where they are counted.
        prefix: In front of every key.
    """

    def __init__(self, redis: RedisConnection, *, prefix: str) -> None:
        super().__init__()
        self._redis = redis
        self._prefix = prefix

    async def hit(self, key: str, rate: Rate) -> float:
        """See `RateLimits.hit`; one round trip."""
        try:
            return await self._run(key, rate, 1) / _MICROSECONDS
        except RedisUnavailableError:
            return await super().hit(key, rate)

    async def refund(self, key: str, rate: Rate) -> None:
        """See `RateLimits.refund`."""
        try:
            await self._run(key, rate, -1)
        except RedisUnavailableError:
            await super().refund(key, rate)

    async def _run(self, key: str, rate: Rate, times: int) -> int:
        hashed = blake2b(key.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()
        period = rate.seconds * _MICROSECONDS
        arguments = (period / rate.times, period, times)
        return cast("int", await self._redis.call("EVAL", _SCRIPT, 1, self._prefix + hashed, *arguments))
