"""A circuit breaker: who does not answer is left alone, and is asked again where no request waits for it."""

import asyncio
import contextvars
import random
import time
from collections.abc import Awaitable, Callable
from enum import StrEnum
from typing import Final, NamedTuple

from app.core.logging import get_logger
from app.core.monitoring import monitor
from app.core.redis.errors import RedisUnavailableError

logger = get_logger(__name__)

# Most outages are a restart or a short stall: the first question comes after this much of the longest pause, and the
# pause doubles from there.
_FIRST_PAUSE: Final = 0.1


class BreakerState(StrEnum):
    """How calls fare: they go through, fail at once, or fail at once while one question is under way."""

    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half-open"


class BreakerStats(NamedTuple):
    """Counts since the start: failed calls, calls that were refused without trying, and outages."""

    failed: int
    refused: int
    outages: int


class Breaker:
    """Counts failures, refuses calls after too many, and finds out by itself when they make sense again.

    One task at a time asks, and only while the breaker is open; no caller ever waits for it.

    Args:
        failures: How many in a row open it.
        retry_seconds: The longest pause between two questions.
        probe: Asks the other side, and catches up on what was missed; raises `RedisUnavailableError` while it is away.
    """

    def __init__(self, *, failures: int, retry_seconds: float, probe: Callable[[], Awaitable[None]]) -> None:
        self._limit = failures
        self._retry_seconds = retry_seconds
        self._probe = probe
        self._in_a_row = 0
        self._recovery: asyncio.Task[None] | None = None
        self._state = BreakerState.CLOSED
        self._reason = ""
        self._stopped = False
        self._stats = BreakerStats(0, 0, 0)

    @property
    def state(self) -> BreakerState:
        """How calls fare at this moment."""
        return self._state

    @property
    def stats(self) -> BreakerStats:
        """What has happened so far."""
        return self._stats

    def check(self) -> None:
        """Let a call through.

        Raises:
            RedisUnavailableError: It would not make sense now.
        """
        if self._state is not BreakerState.CLOSED:
            self._stats = self._stats._replace(refused=self._stats.refused + 1)
            raise RedisUnavailableError(self._reason)

    def succeeded(self) -> None:
        """A call worked."""
        self._in_a_row = 0

    def failed(self, reason: str, *, at_once: bool = False) -> None:
        """A call failed.

        Args:
            reason: A sentence for the log and for those who are refused next.
            at_once: Not to let others try up to the limit: each would wait as long, or in vain.
        """
        self._stats = self._stats._replace(failed=self._stats.failed + 1)
        self._in_a_row += 1
        if at_once or self._in_a_row >= self._limit:
            self.open(reason)

    def open(self, reason: str) -> None:
        """Refuse calls from now on, until a probe has succeeded."""
        if self._state is not BreakerState.CLOSED or self._stopped:
            return
        self._state = BreakerState.OPEN
        self._reason = reason
        self._stats = self._stats._replace(outages=self._stats.outages + 1)
        monitor.capture_message("redis is away; going on without it", "warning", context={"reason": reason})
        # An empty context: this outlives the request that happened to notice.
        self._recovery = asyncio.create_task(self._recover(), context=contextvars.Context())

    async def close(self) -> None:
        """Stop asking; calls are refused for good."""
        self._stopped = True
        recovery, self._recovery = self._recovery, None
        if recovery is not None:
            recovery.cancel()
            await asyncio.gather(recovery, return_exceptions=True)
        self._state, self._reason = BreakerState.OPEN, "Redis has been closed."

    async def _recover(self) -> None:
        began = time.monotonic()
        refused = self._stats.refused
        pause = self._retry_seconds * _FIRST_PAUSE
        while True:
            # Spread, so that not all processes ask in the same moment.
            await asyncio.sleep(pause * random.uniform(0.75, 1))  # noqa: S311 — nobody gains by guessing it
            pause = min(2 * pause, self._retry_seconds)
            self._state = BreakerState.HALF_OPEN
            try:
                await self._probe()
            except RedisUnavailableError as err:
                self._state, self._reason = BreakerState.OPEN, err.message
                continue
            except Exception as err:  # noqa: BLE001 — reported; whatever it was, somebody has to go on asking
                self._state = BreakerState.OPEN
                monitor.capture_exception(err, context={"operation": "redis.probe"})
                continue
            # Nothing is awaited between the end of the probe and this: what it caught up on is complete.
            self._in_a_row = 0
            self._state = BreakerState.CLOSED
            seconds = round(time.monotonic() - began, 3)
            logger.info("redis is back", extra={"seconds": seconds, "refused": self._stats.refused - refused})
            return
