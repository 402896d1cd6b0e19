"""A circuit breaker: a server that does not answer is left alone, and is asked again where no request waits for it."""

import asyncio
import contextvars
import random
import time
from collections.abc import Awaitable, Callable
from enum import StrEnum
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


class BreakerState(StrEnum):
    """Calls go through; fail at once; or, while the server is back and missed changes are made, only changes do."""

    CLOSED = "closed"
    OPEN = "open"
    RETURNING = "returning"


class Breaker:
    """Counts failures, refuses calls after too many, and finds out by itself when they make sense again.

    One task at a time asks, and only while the breaker is open; no caller ever waits for it.

    Args:
        failures: The number of failures in a row that opens it.
        retry_seconds: The longest pause between two questions.
        probe: Asks the other side; raises `RedisUnavailableError` while it is away.
        catch_up: Makes the changes that were missed. Those that come meanwhile go through, so that it comes to an end
            under load, too; one that fails opens the breaker again.
    """

    def __init__(
        self,
        *,
        failures: int,
        retry_seconds: float,
        probe: Callable[[], Awaitable[None]],
        catch_up: Callable[[], Awaitable[None]],
    ) -> None:
        self.state = BreakerState.CLOSED
        self._limit = failures
        self._retry_seconds = retry_seconds
        self._probe = probe
        self._catch_up = catch_up
        self._in_a_row = 0
        self._recovery: asyncio.Task[None] | None = None
        self._reason = ""

    def check(self, *, change: bool = False) -> None:
        """Let a call through.

        Raises:
            RedisUnavailableError: It would not make sense now.
        """
        if self.state is BreakerState.OPEN or (self.state is BreakerState.RETURNING and not change):
            raise RedisUnavailableError(self._reason)

    def succeeded(self) -> None:
        """Count a call that worked."""
        self._in_a_row = 0

    def failed(self, reason: str, *, at_once: bool = False) -> None:
        """Count a call that failed.

        Args:
            reason: A sentence for the log and for the calls that are refused next.
            at_once: Not to let others try up to the limit: each would wait as long, or in vain.
        """
        self._in_a_row += 1
        if at_once or self._in_a_row >= self._limit or self.state is not BreakerState.CLOSED:
            self.open(reason)

    def open(self, reason: str) -> None:
        """Refuse calls from now on, until the server is back."""
        if self.state is not BreakerState.OPEN:
            self._reason = reason
        if self.state is BreakerState.CLOSED:
            monitor.capture_message("redis is away; going on without it", "warning", context={"reason": reason})
            # An empty context: this outlives the request that happened to notice.
            self._recovery = asyncio.create_task(self._recover(), context=contextvars.Context())
        self.state = BreakerState.OPEN

    async def close(self) -> None:
        """Stop asking; calls are refused for good."""
        if self._recovery is not None:
            self._recovery.cancel()
            await asyncio.gather(self._recovery, return_exceptions=True)
        self.state, self._reason = BreakerState.OPEN, "Redis has been closed."

    async def _recover(self) -> None:
        began = time.monotonic()
        pause = self._retry_seconds * _FIRST_PAUSE
        while True:
            # Spread, so that not all processes ask in the same moment.
            await asyncio.sleep(pause * random.uniform(0.75, 1))  # noqa: S311 — guessing it gains nothing
            pause = min(2 * pause, self._retry_seconds)
            if await self._is_back():
                break
        # Nothing is awaited between the end of the catching up and this: it is complete.
        self._in_a_row = 0
        self.state = BreakerState.CLOSED
        logger.info("redis is back", extra={"seconds": round(time.monotonic() - began, 3)})

    async def _is_back(self) -> bool:
        try:
            await self._probe()
            self.state = BreakerState.RETURNING
            await self._catch_up()
        except RedisUnavailableError as err:
            self.open(err.message)
        except Exception as err:  # noqa: BLE001 — reported; the asking has to go on
            self.open("Redis has come back, and this process cannot use it.")
            monitor.capture_exception(err, context={"operation": "redis.probe"})
        return self.state is BreakerState.RETURNING
