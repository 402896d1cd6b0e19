"""Passwords: Argon2id, off the event loop, a bounded number at a time."""

import asyncio
import builtins
import unicodedata
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Final, TypeVar

from pwdlib import PasswordHash
from pwdlib.exceptions import UnknownHashError
from pwdlib.hashers.argon2 import Argon2Hasher

from app.core.exceptions import TimeoutError
from app.core.threads import run_in_thread

T = TypeVar("T")

# The time that a login waits for its turn before it is refused: hashing is made to be expensive, so a flood of logins
# must not queue without end.
_WAIT_SECONDS: Final = 10.0


class PasswordHasher:
    """Hashes and checks passwords in threads of their own; TimeoutError where too many are waiting.

    Args:
        time_cost: Passes over the memory.
        memory_kib: Memory of one computation, in KiB.
        concurrency: Computations at the same time, each with its own memory.
    """

    def __init__(self, *, time_cost: int, memory_kib: int, concurrency: int) -> None:
        self._hash = PasswordHash((Argon2Hasher(time_cost=time_cost, memory_cost=memory_kib),))
        self._threads = ThreadPoolExecutor(concurrency, thread_name_prefix="password")
        # Checked against when there is no user, so that the answer takes as long as a wrong password's.
        self._unknown_users: str | None = None

    async def hash(self, password: str) -> str:
        """Return the hash to store, with its parameters and salt in it."""
        return await self._run(partial(self._hash.hash, _composed(password)))

    async def verify(self, password: str, stored: str | None) -> tuple[bool, str | None]:
        """Return True for a right password, and a hash to store instead if the stored one is outdated.

        An unknown user's (None) takes as long as a known one's and never matches.
        """
        if stored is None:
            if self._unknown_users is None:
                # The first time, making it takes as long as checking against it.
                self._unknown_users = await self.hash("an unknown user's password")
            else:
                await self._run(partial(self._check, password, self._unknown_users))
            return False, None
        try:
            return await self._run(partial(self._check, password, stored))
        except UnknownHashError:
            return False, None

    def _check(self, password: str, stored: str) -> tuple[bool, str | None]:
        composed = _composed(password)
        right, better = self._hash.verify_and_update(composed, stored)
        if right or composed == password:
            return right, better
        # Stored before passwords were composed.
        return (True, self._hash.hash(composed)) if self._hash.verify(password, stored) else (False, None)

    async def _run(self, work: Callable[[], T]) -> T:
        try:
            async with asyncio.timeout(_WAIT_SECONDS):
                return await run_in_thread(work, threads=self._threads)
        except builtins.TimeoutError:
            raise TimeoutError("Too many logins at once: try again in a moment.") from None


def _composed(password: str) -> str:
    """Return the one form of a password, whichever keyboard it is typed on (NIST SP 800-63B-4, 3.1.1.2)."""
    return unicodedata.normalize("NFC", password)
