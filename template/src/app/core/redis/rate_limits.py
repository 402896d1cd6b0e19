"""Allowances in Redis: one for all processes; in this process's memory while Redis is away."""

from hashlib import blake2b
from typing import Final

from app.core.redis.breaker import RedisUnavailableError
from app.core.redis.connection import RedisConnection
from app.core.security import Rate, RateLimits

# What both scripts begin with: microseconds by the server's clock, which all processes share; the time at which the
# allowance is full again, which can be no later than a whole period from now, even if that clock was set back.
_PREAMBLE: Final = """
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local interval = tonumber(ARGV[1])
local period = tonumber(ARGV[2])
local full_at = tonumber(redis.call('GET', KEYS[1]) or now)
full_at = math.min(math.max(full_at, now), now + period)
local function keep()
  if full_at > now then
    redis.call('SET', KEYS[1], string.format('%.0f', full_at), 'PX', math.ceil((full_at - now) / 1000))
  else
    redis.call('UNLINK', KEYS[1])
  end
end
"""
# As `RateLimits.hit`. Numbers come back as whole ones: microseconds.
_HIT: Final = (
    _PREAMBLE
    + """
local wait = full_at + interval - now - period
if wait > math.max(interval * 1e-6, 1) then return math.ceil(wait) end
full_at = full_at + interval
keep()
return 0
"""
)
_REFUND: Final = (
    _PREAMBLE
    + """
full_at = full_at - interval
keep()
return 0
"""
)
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
            return await self._run(_HIT, key, rate) / _MICROSECONDS
        except RedisUnavailableError:
            return await super().hit(key, rate)

    async def refund(self, key: str, rate: Rate) -> None:
        """See `RateLimits.refund`."""
        try:
            await self._run(_REFUND, key, rate)
        except RedisUnavailableError:
            await super().refund(key, rate)

    async def _run(self, script: str, key: str, rate: Rate) -> int:
        hashed = blake2b(key.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()
        period = rate.seconds * _MICROSECONDS
        return await self._redis.run(script, self._prefix + hashed, period / rate.times, period)
