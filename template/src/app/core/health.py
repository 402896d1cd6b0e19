"""Checks of the parts this process depends on: each part registers its own, the probes know none of them."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated, NamedTuple

from pydantic import Field

from app.core.logging import get_logger

logger = get_logger(__name__)

_OVERVIEW_SECONDS = 5.0


class HealthStatus(StrEnum):
    """The state of a part, or of the whole."""

    HEALTHY = "healthy"
    DEGRADED = "degraded"
    UNHEALTHY = "unhealthy"


class HealthCheck(NamedTuple):
    """A part's own check, which raises anything when the part does not work.

    Requests cannot be served without one that is `required`. Of an `external` one, another service's, no probe asks.
    """

    name: str
    check: Callable[[], Awaitable[object]]
    required: bool = True
    timeout_seconds: float = 3.0  # shorter than that of the probes in front of it (ours: 5 s)
    external: bool = False


@dataclass(frozen=True, slots=True)
class ComponentHealth:
    """The result of a check; the reason of a failure is in the log."""

    status: HealthStatus
    required: Annotated[bool, Field(description="No request can be served without it.")]
    duration_ms: Annotated[float, Field(description="The duration of its check.", examples=[0.8])]


Components = dict[str, ComponentHealth]


class Health:
    """The health of this process, by the checks of the parts that it depends on."""

    def __init__(self, checks: Sequence[HealthCheck]) -> None:
        self.checks = checks
        self._started = time.monotonic()
        self._overview: tuple[float, Components] = (-_OVERVIEW_SECONDS, {})

    @property
    def uptime_seconds(self) -> float:
        """The time for which this process has been up."""
        return round(time.monotonic() - self._started, 3)

    async def probe(self) -> Components:
        """Return the results of the checks that ask no other service, made now."""
        return await _run_all([check for check in self.checks if not check.external])

    async def overview(self) -> Components:
        """Return the results of all checks, at most five seconds old, so that callers do not flood other services."""
        if time.monotonic() >= self._overview[0] + _OVERVIEW_SECONDS:
            self._overview = (time.monotonic(), await _run_all(self.checks))
        return self._overview[1]


def overall(components: Components) -> HealthStatus:
    """Return the state of the whole: unhealthy without a required part, degraded without another one."""
    failed = [component for component in components.values() if component.status is HealthStatus.UNHEALTHY]
    if any(component.required for component in failed):
        return HealthStatus.UNHEALTHY
    return HealthStatus.DEGRADED if failed else HealthStatus.HEALTHY


async def _run_all(checks: Sequence[HealthCheck]) -> Components:
    """Run all checks at once; takes as long as the slowest, and no longer than its timeout."""
    results = await asyncio.gather(*map(_run, checks))
    return {check.name: result for check, result in zip(checks, results, strict=True)}


async def _run(check: HealthCheck) -> ComponentHealth:
    began = time.perf_counter()
    status = HealthStatus.HEALTHY
    try:
        async with asyncio.timeout(check.timeout_seconds):
            await check.check()
    except Exception as err:  # noqa: BLE001 — any failure at all is what the check is for; it is logged
        status = HealthStatus.UNHEALTHY
        logger.warning("health check failed", component=check.name, reason=type(err).__name__, error=str(err))
    return ComponentHealth(status, check.required, round((time.perf_counter() - began) * 1000, 3))
