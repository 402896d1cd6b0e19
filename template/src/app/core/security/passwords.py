"""Passwords: Argon2id, off the event loop, a bounded number at a time."""

import asyncio
import builtins
import unicodedata
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Final, TypeVar

from pwdlib import PasswordHash
from pwdlib.exceptions import UnknownHashError
from pwdlib.hashers.argon2 import Argon2Hasher

from app.core.exceptions import TimeoutError

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

    async def hash(self, password: str) -> str:
        """Return the hash to store, with its parameters and salt in it."""
        return await self._run(self._hash.hash, _composed(password))

    async def verify(self, password: str, stored: str | None) -> tuple[bool, str | None]:
        """Return True for a right password, and a hash to store instead if the stored one is outdated.

        An unknown user's (None) takes as long as a known one's and never matches.
        """
        # As it was typed, too: versions that did not compose have stored it so.
        forms = dict.fromkeys((_composed(password), password))
        for form in forms:
            if stored is None:
                await self._run(self._hash.hash, form)
                continue
            try:
                right, better_hash = await self._run(self._hash.verify_and_update, form, stored)
            except UnknownHashError:
                return False, None
            if right:
                return True, better_hash if form == _composed(form) else await self.hash(form)
        return False, None

    async def _run(self, work: Callable[..., T], *arguments: str) -> T:
        try:
            async with asyncio.timeout(_WAIT_SECONDS):
                return await asyncio.get_running_loop().run_in_executor(self._threads, work, *arguments)
        except builtins.TimeoutError:
            raise TimeoutError("Too many logins at once: try again in a moment.") from None


def _composed(password: str) -> str:
    """Return the one form of a password, whichever keyboard it is typed on (NIST SP 800-63B-4, 3.1.1.2)."""
    return unicodedata.normalize("NFC", password)
