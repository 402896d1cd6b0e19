"""Rate limits: so many in such a time, and the time to wait for the next one.

The generic cell rate algorithm (ITU-T I.371) keeps one number per key, the time at which the key's allowance is full
again; it needs no clean-up task, spreads no load spikes at window borders, and knows the exact time to wait.
"""

import time
from collections import OrderedDict
from dataclasses import dataclass
from typing import Final, Protocol

# Some 10 MB of keys in the worst case.
_MAX_KEYS: Final = 100_000


@dataclass(frozen=True, kw_only=True)
class Rate:
    """So many, all at once if need be, in such a time.

    Attributes:
        times: The number.
        seconds: The time.
    """

    times: int
    seconds: float


class RateLimits(Protocol):
    """A store of allowances."""

    async def hit(self, key: str, rate: Rate) -> float:
        """Use one of the allowance up.

        Args:
            key: The allowance: its owner and purpose.
            rate: Its size.

        Returns:
            0 when it was there; else the seconds until it will be, and nothing is used up.
        """
        ...

    async def refund(self, key: str, rate: Rate) -> None:
        """Give one of the allowance back, as where only failures should count."""
        ...


class MemoryRateLimits:
    """Allowances in this process's memory: with several processes, each grants its own.

    The number of keys is bounded; beyond it, those that were not used for longest are forgotten.
    """

    def __init__(self, *, max_keys: int = _MAX_KEYS) -> None:
        self._max_keys = max_keys
        self._full_at: OrderedDict[str, float] = OrderedDict()

    async def hit(self, key: str, rate: Rate) -> float:
        """See `RateLimits.hit`."""
        now = time.time()
        interval = rate.seconds / rate.times
        full_at = max(self._full_at.get(key, now), now) + interval
        wait = full_at - now - rate.seconds
        # A rounding error must not refuse the last of an allowance.
        if wait > interval * 1e-6:
            return wait
        self._full_at[key] = full_at
        self._full_at.move_to_end(key)
        while len(self._full_at) > self._max_keys:
            self._full_at.popitem(last=False)
        return 0.0

    async def refund(self, key: str, rate: Rate) -> None:
        """See `RateLimits.refund`."""
        if key in self._full_at:
            self._full_at[key] -= rate.seconds / rate.times
