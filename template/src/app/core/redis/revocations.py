"""Ended sessions, told to all processes the moment they end.

The database stays the truth and is asked as often as ever: a message that is lost, with everything that Redis can
lose, costs no more than the wait there was without it (`AUTH_REVOCATION_SECONDS`).
"""

import asyncio
import contextvars
import random
from collections.abc import Collection, Coroutine
from contextlib import aclosing, suppress
from typing import Final
from uuid import UUID

from app.core.logging import get_logger
from app.core.redis.breaker import RedisUnavailableError
from app.core.redis.connection import RedisConnection
from app.core.security import RevokedSessions

logger = get_logger(__name__)

# After this much silence the server is asked whether it is there.
_QUIET_SECONDS: Final = 5.0


class RevocationBroadcast:
    """Tells other processes what `revoked` is told here, and tells it what they say.

    Args:
        redis: The way to the others.
        channel: Where they listen.
        revoked: What this process knows.
        retry_seconds: How long to wait after a connection was lost.
    """

    def __init__(self, redis: RedisConnection, *, channel: str, revoked: RevokedSessions, retry_seconds: float) -> None:
        self._redis = redis
        self._channel = channel
        self._revoked = revoked
        self._retry_seconds = retry_seconds
        self._listener: asyncio.Task[None] | None = None
        self._telling: set[asyncio.Task[None]] = set()

    def start(self) -> None:
        """Begin to listen and to tell."""
        self._listener = _detached(self._listen())
        self._revoked.announce = self._announce

    async def close(self) -> None:
        """Say what is still to be said, and stop."""
        if self._listener is not None:
            self._listener.cancel()
            await asyncio.gather(self._listener, *self._telling, return_exceptions=True)

    def _announce(self, session_ids: Collection[UUID]) -> None:
        """Called between a commit and its answer, which do not wait for it."""
        if session_ids:
            task = _detached(self._tell(" ".join(map(str, session_ids))))
            self._telling.add(task)
            task.add_done_callback(self._telling.discard)

    async def _tell(self, message: str) -> None:
        # Who does not hear of it asks the database soon.
        with suppress(RedisUnavailableError):
            await self._redis.publish(self._channel, message)

    async def _listen(self) -> None:
        connected = True
        while True:
            try:
                async with aclosing(self._redis.messages(self._channel, quiet_seconds=_QUIET_SECONDS)) as messages:
                    async for message in messages:
                        self._hear(message)
                        if not connected:
                            logger.info("ended sessions are announced again")
                        connected = True
            except RedisUnavailableError as err:
                if connected:
                    logger.warning("ended sessions are not announced for now", extra={"reason": err.message})
                connected = False
            # Spread, so that not all processes come back in the same moment.
            await asyncio.sleep(self._retry_seconds * random.uniform(0.5, 1))  # noqa: S311 — guessing it gains nothing

    def _hear(self, message: bytes | None) -> None:
        if message is None:
            # This process did not listen until now, so that something may have been missed.
            self._revoked.expire()
            return
        try:
            session_ids = [UUID(each) for each in message.decode("ascii").split()]
        except ValueError:
            logger.warning("another program uses the channel of ended sessions", extra={"channel": self._channel})
        else:
            self._revoked.learn(*session_ids)


def _detached(work: Coroutine[object, object, None]) -> asyncio.Task[None]:
    """A task that has nothing of the request it began in."""
    return asyncio.create_task(work, context=contextvars.Context())
