"""Limits on guessing passwords: few from one place to one account, more where either varies."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final

from app.core.exceptions import AuthenticationError, RateLimitError
from app.core.security import Rate, RateLimits

# Of one account from anywhere, or of any account from one address: people share addresses, attackers spread.
_WIDER: Final = 10


@dataclass(frozen=True, kw_only=True)
class GuessingLimits:
    """Limits on wrong passwords: of a known device by itself, of all others by account, by address, and by both.

    Attributes:
        limits: The allowances.
        attempts: Wrong passwords for one account from one address or known device; ten times as many where only the
            account or only the address is the same.
        window_seconds: The time for which they count.
    """

    limits: RateLimits
    attempts: int
    window_seconds: float

    @asynccontextmanager
    async def attempt(self, account: str, address: str, *, device: str | None) -> AsyncIterator[None]:
        """Count the block as a guess if it raises AuthenticationError; an outage or a success is none.

        Counted first and taken back later, so that parallel guesses do not slip through. Nothing that others do counts
        against a device that has logged in to the account before; None is one that is not known to have.

        Raises:
            RateLimitError: There were too many.
        """
        few = Rate(times=self.attempts, seconds=self.window_seconds)
        many = Rate(times=self.attempts * _WIDER, seconds=self.window_seconds)
        if device is not None:
            allowances = {f"guess:device:{device}:{account}": few}
        else:
            allowances = {
                f"guess:{account}:{address}": few,
                f"guess:account:{account}": many,
                f"guess:address:{address}": many,
            }
        counted: list[str] = []
        guessed = False
        try:
            for key, rate in allowances.items():
                if wait := await self.limits.hit(key, rate):
                    raise RateLimitError(int(wait) + 1)
                counted.append(key)
            yield
        except AuthenticationError:
            guessed = True
            raise
        finally:
            if not guessed:
                for key in counted:
                    await self.limits.refund(key, allowances[key])
