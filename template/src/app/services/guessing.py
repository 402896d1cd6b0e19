"""Limits on guessing passwords: few from one place to one account, more where either varies."""

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Final

from app.core.exceptions import AuthenticationError, RateLimitError
from app.core.security import Rate, RateLimits

# Of one account from anywhere, or of any account from one address: people share addresses, attackers spread.
_WIDER: Final = 10


class GuessingLimits:
    """Limits on wrong passwords: of a known device by itself, of all others by account, by address, and by both.

    Args:
        limits: The allowances.
        attempts: Wrong passwords for one account from one address or known device; ten times as many where only the
            account or only the address is the same.
        window_seconds: The time for which they count.
    """

    def __init__(self, limits: RateLimits, *, attempts: int, window_seconds: float) -> None:
        self._limits = limits
        self._few = Rate(times=attempts, seconds=window_seconds)
        self._many = Rate(times=attempts * _WIDER, seconds=window_seconds)

    @asynccontextmanager
    async def attempt(self, account: str, address: str, *, device: str | None) -> AsyncIterator[None]:
        """Count the block as a guess if it raises AuthenticationError; an outage or a success is none.

        Counted first and taken back later, so that parallel guesses do not slip through.

        Args:
            account: The account.
            address: The caller's address.
            device: A device that has logged in to this account before; None if it is not known to have. Nothing that
                others do counts against it.

        Raises:
            RateLimitError: There were too many.
        """
        counted: list[tuple[str, Rate]] = []
        guessed = False
        try:
            for key, rate in self._allowances(account, address, device):
                if wait := await self._limits.hit(key, rate):
                    raise RateLimitError(int(wait) + 1)
                counted.append((key, rate))
            yield
        except AuthenticationError:
            guessed = True
            raise
        finally:
            if not guessed:
                for key, rate in counted:
                    await self._limits.refund(key, rate)

    def _allowances(self, account: str, address: str, device: str | None) -> Iterator[tuple[str, Rate]]:
        if device is not None:
            yield f"guess:device:{device}:{account}", self._few
            return
        yield f"guess:{account}:{address}", self._few
        yield f"guess:account:{account}", self._many
        yield f"guess:address:{address}", self._many
