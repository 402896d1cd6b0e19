"""Limits on guessing passwords: few from one place to one account, more where either varies."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

from app.core.exceptions import AuthenticationError, RateLimitError
from app.core.security import Rate, RateLimits

# Of one account from anywhere, or of any account from one address: people share addresses, attackers spread.
_WIDER: Final = 10
# The time for which wrong passwords count.
_WINDOW_SECONDS: Final = 900


class GuessingLimits:
    """Limits on wrong passwords: of a known device by itself, of all others by account, by address, and by both.

    Args:
        limits: The allowances.
        attempts: Wrong passwords for one account from one address or known device, in 15 minutes.
    """

    def __init__(self, limits: RateLimits, *, attempts: int) -> None:
        self._limits = limits
        self._few = Rate(times=attempts, seconds=_WINDOW_SECONDS)
        self._many = Rate(times=attempts * _WIDER, seconds=_WINDOW_SECONDS)

    @asynccontextmanager
    async def attempt(self, account: str, address: str, *, device: str | None) -> AsyncIterator[None]:
        """Count the block as a guess if it raises AuthenticationError; an outage or a success is none.

        Counted first and taken back later, so that parallel guesses do not slip through. Nothing that others do counts
        against a device that has logged in to the account before; None is one that is not known to have. RateLimitError
        where there were too many.
        """
        if device is not None:
            allowances = {f"guess:device:{device}:{account}": self._few}
        else:
            allowances = {
                f"guess:{account}:{address}": self._few,
                f"guess:account:{account}": self._many,
                f"guess:address:{address}": self._many,
            }
        counted: list[str] = []
        guessed = False
        try:
            for key, rate in allowances.items():
                if wait := await self._limits.hit(key, rate):
                    raise RateLimitError(int(wait) + 1)
                counted.append(key)
            yield
        except AuthenticationError:
            guessed = True
            raise
        finally:
            if not guessed:
                for key in counted:
                    await self._limits.refund(key, allowances[key])
