"""Limits on guessing passwords: few from one place to one account, more where either varies."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

from app.core.exceptions import RateLimitError
from app.core.security import Rate, RateLimits

# Of one account from anywhere, or of any account from one address: people share addresses, attackers spread.
_WIDER: Final = 10


class GuessingLimits:
    """Counts failures by account, by address, and by both.

    Args:
        limits: Where they are counted.
        attempts: How many failures one address has for one account; ten times as many where only one is the same.
        window_seconds: How long they count.
    """

    def __init__(self, limits: RateLimits, *, attempts: int, window_seconds: float) -> None:
        self._limits = limits
        self._few = Rate(times=attempts, seconds=window_seconds)
        self._many = Rate(times=attempts * _WIDER, seconds=window_seconds)

    @asynccontextmanager
    async def attempt(self, account: str, address: str) -> AsyncIterator[None]:
        """Count the block as a failure unless it succeeds. Counted first, so that parallel guesses do not slip through.

        Raises:
            RateLimitError: There were too many.
        """
        used: list[tuple[str, Rate]] = []
        for key, rate in (
            (f"guess:{account}:{address}", self._few),
            (f"guess:account:{account}", self._many),
            (f"guess:address:{address}", self._many),
        ):
            if wait := await self._limits.hit(key, rate):
                raise RateLimitError(int(wait) + 1)
            used.append((key, rate))
        yield
        for key, rate in used:
            await self._limits.refund(key, rate)
