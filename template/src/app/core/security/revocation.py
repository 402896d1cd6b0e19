"""Sessions that ended before their access tokens did: a small set, asked on every request and kept in memory."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable
from typing import Final
from uuid import UUID

from app.core.exceptions import AppException, DatabaseConnectionError
from app.core.logging import get_logger

logger = get_logger(__name__)

# The time for which a failing source is left alone.
_RETRY_SECONDS: Final = 1.0


class RevokedSessions:
    """A copy of the revoked sessions whose access tokens could still be good.

    Those of this process count at once, others' after the next refresh. While the source is away, the last copy stays
    in force, up to the limit.

    Args:
        load: Returns all sessions revoked within an access token's lifetime.
        limit_seconds: The age from which a copy is no longer believed. At half of it, it is replaced: once, that may
            fail.
    """

    def __init__(self, load: Callable[[], Awaitable[Iterable[UUID]]], *, limit_seconds: float) -> None:
        self._load = load
        self._limit_seconds = limit_seconds
        # Until the first load there is no copy to believe.
        self._good_until = 0.0
        self._due = 0.0
        self._revoked: set[UUID] = set()
        # Of these, the ones that the refresh under way, or the next, may not see.
        self._new: set[UUID] = set()
        self._lock = asyncio.Lock()

    def add(self, *session_ids: UUID) -> None:
        """Count sessions as revoked from now on; the revocation is committed already."""
        self._new.update(session_ids)
        self._revoked.update(session_ids)

    async def contains(self, session_id: UUID) -> bool:
        """Return True if a session is known to be revoked.

        Raises:
            DatabaseConnectionError: The source has been away for longer than the limit.
        """
        if time.monotonic() >= self._due:
            await self._refresh()
        if time.monotonic() >= self._good_until:
            raise DatabaseConnectionError("The sessions that have ended cannot be read.")
        return session_id in self._revoked

    async def _refresh(self) -> None:
        if self._lock.locked() and time.monotonic() < self._good_until:
            return  # Another request is asking; the copy at hand is good enough meanwhile.
        async with self._lock:
            asked_at = time.monotonic()
            if asked_at < self._due:
                return
            # A revocation is committed before it is added here, so that this load sees those of until now.
            self._new.clear()
            try:
                self._revoked = {*await self._load(), *self._new}
            except AppException as error:
                self._due = time.monotonic() + _RETRY_SECONDS
                logger.warning("revoked sessions could not be read", error_code=error.error_code)
            else:
                self._due = asked_at + self._limit_seconds / 2
                self._good_until = asked_at + self._limit_seconds
