"""Limits of tries: few from one place to one account, more where either varies."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Final

from app.core.exceptions import AuthenticationError, RateLimitError
from app.core.security import Rate, RateLimits

# Of one account from anywhere, or of any account from one address: people share addresses, attackers spread.
_WIDER: Final = 10
# The time for which tries count.
_WINDOW_SECONDS: Final = 900

Allowances = Mapping[str, Rate]


def tries(kind: str, account: str, address: str, *, times: int) -> Allowances:
    """Return the allowances of a kind of tries, of which so many are for one account from one address in 15 minutes."""
    few, many = Rate(times, _WINDOW_SECONDS), Rate(times * _WIDER, _WINDOW_SECONDS)
    # The account's comes last: what the caller's own allowances refuse uses none of it up.
    return {
        f"{kind}:{account}:{address}": few,
        f"{kind}:address:{address}": many,
        f"{kind}:account:{account}": many,
    }


async def use(limits: RateLimits, allowances: Allowances) -> None:
    """Use one of each allowance up, in their order; RateLimitError at the first that has none left."""
    for key, rate in allowances.items():
        if wait := await limits.hit(key, rate):
            raise RateLimitError(int(wait) + 1)


@asynccontextmanager
async def guess(
    limits: RateLimits, account: str, address: str, *, device: str | None, times: int
) -> AsyncIterator[None]:
    """Count the block as a guess if it raises AuthenticationError; an outage or a success is none.

    Counted first and taken back later, so that parallel guesses do not slip through. Nothing that others do counts
    against a device that has logged in to the account before; None is one that is not known to have. RateLimitError
    where there were too many.
    """
    if device is not None:
        allowances: Allowances = {f"guess:device:{device}:{account}": Rate(times, _WINDOW_SECONDS)}
    else:
        allowances = tries("guess", account, address, times=times)
    await use(limits, allowances)
    guessed = False
    try:
        yield
    except AuthenticationError:
        guessed = True
        raise
    finally:
        if not guessed:
            for key, rate in allowances.items():
                await limits.refund(key, rate)
