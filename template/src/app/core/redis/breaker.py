"""A circuit breaker: a server that does not answer is left alone, and is asked again where no request waits for it."""

import asyncio
import contextvars
import random
import time
from collections.abc import Awaitable, Callable
from typing import Final

from app.core.exceptions import InfrastructureException
from app.core.logging import get_logger
from app.core.monitoring import monitor

logger = get_logger(__name__)

# Most outages are a restart or a short stall: the first question comes after this much of the longest pause, and the
# pause doubles from there.
_FIRST_PAUSE: Final = 0.1


class RedisUnavailableError(InfrastructureException):
    """Raised when Redis did not do what it was asked. No part of the application above sees this."""

    code = "REDIS_UNAVAILABLE"


class RedisFullError(RedisUnavailableError):
    """Raised when Redis works, but has no memory left and its policy is to refuse what is new."""

    code = "REDIS_FULL"


class Breaker:
    """Refuses calls after a failure, and finds out by itself when they make sense again.

    One task at a time asks, and only while the breaker is open; no caller ever waits for it.

    Args:
        retry_seconds: The longest pause between two questions.
        probe: Asks the other side; raises `RedisUnavailableError` while it is away.
    """

    def __init__(self, *, retry_seconds: float, probe: Callable[[], Awaitable[None]]) -> None:
        self.is_open = False
        self._retry_seconds = retry_seconds
        self._probe = probe
        self._recovery: asyncio.Task[None] | None = None
        self._reason = ""

    def check(self) -> None:
        """Let a call through.

        Raises:
            RedisUnavailableError: It would not make sense now.
        """
        if self.is_open:
            raise RedisUnavailableError(self._reason)

    def open(self, reason: str) -> None:
        """Refuse calls from now on, with this sentence, until the server is back."""
        if self.is_open:
            return
        self.is_open, self._reason = True, reason
        monitor.capture_message("redis is away; going on without it", "warning", context={"reason": reason})
        # An empty context: this outlives the request that happened to notice.
        self._recovery = asyncio.create_task(self._recover(), context=contextvars.Context())

    async def close(self) -> None:
        """Stop asking; calls are refused for good."""
        self.is_open, self._reason = True, "Redis has been closed."
        if self._recovery is not None:
            self._recovery.cancel()
            await asyncio.gather(self._recovery, return_exceptions=True)

    async def _recover(self) -> None:
        began = time.monotonic()
        pause = self._retry_seconds * _FIRST_PAUSE
        while self.is_open:
            # Spread, so that not all processes ask in the same moment.
            await asyncio.sleep(pause * random.uniform(0.75, 1))  # noqa: S311 — guessing it gains nothing
            pause = min(2 * pause, self._retry_seconds)
            try:
                await self._probe()
                self.is_open = False
            except RedisUnavailableError as err:
                self._reason = err.message
            except Exception as err:  # noqa: BLE001 — reported; the asking has to go on
                monitor.capture_exception(err, context={"operation": "redis.probe"})
        logger.info("redis is back", extra={"seconds": round(time.monotonic() - began, 3)})
