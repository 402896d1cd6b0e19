"""Checks of the parts this process depends on: each part registers its own, the probes know none of them."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import NamedTuple

from app.core.logging import get_logger

logger = get_logger(__name__)

# Shorter than the default timeout of probes in front of it (Kubernetes: 1 s is the default, ours are set to 5 s).
DEFAULT_TIMEOUT_SECONDS = 3.0


class HealthStatus(StrEnum):
    """The state of a part, or of the whole."""

    HEALTHY = "healthy"
    DEGRADED = "degraded"
    UNHEALTHY = "unhealthy"


class HealthCheck(NamedTuple):
    """A part's own check.

    Attributes:
        name: The part, such as "database".
        check: Returns when the part works, raises anything when it does not.
        required: Requests cannot be served without the part.
        timeout_seconds: The time after which the check counts as failed.
        external: The check asks another service, which the overview does and no probe.
    """

    name: str
    check: Callable[[], Awaitable[object]]
    required: bool = True
    timeout_seconds: float = DEFAULT_TIMEOUT_SECONDS
    external: bool = False


@dataclass(frozen=True)
class Health:
    """The health checks of this process.

    Attributes:
        checks: One per part this process depends on.
        started: Monotonic seconds when they were set up.
    """

    checks: Sequence[HealthCheck]
    started: float = field(default_factory=time.monotonic)

    @property
    def uptime_seconds(self) -> float:
        """The time for which this process has been up."""
        return round(time.monotonic() - self.started, 3)


class ComponentHealth(NamedTuple):
    """The result of a check; the reason of a failure is in the log, not in here."""

    name: str
    healthy: bool
    required: bool
    duration_ms: float


class HealthReport(NamedTuple):
    """The results of all parts, and their sum."""

    components: tuple[ComponentHealth, ...]

    @property
    def status(self) -> HealthStatus:
        """The whole: unhealthy without a required part, degraded without another one."""
        failed = [component for component in self.components if not component.healthy]
        if any(component.required for component in failed):
            return HealthStatus.UNHEALTHY
        return HealthStatus.DEGRADED if failed else HealthStatus.HEALTHY


async def run_checks(checks: Sequence[HealthCheck]) -> HealthReport:
    """Run all checks at once; takes as long as the slowest, and no longer than its timeout."""
    return HealthReport(tuple(await asyncio.gather(*map(_run, checks))))


async def _run(check: HealthCheck) -> ComponentHealth:
    began = time.perf_counter()
    healthy = True
    try:
        async with asyncio.timeout(check.timeout_seconds):
            await check.check()
    except Exception as err:  # noqa: BLE001 — any failure at all is what the check is for; it is logged
        healthy = False
        logger.warning("health check failed", component=check.name, reason=type(err).__name__, error=str(err))
    return ComponentHealth(check.name, healthy, check.required, round((time.perf_counter() - began) * 1000, 3))
