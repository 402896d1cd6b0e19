"""What a running process knows about itself."""

import time
from collections.abc import Sequence
from dataclasses import dataclass, field

from app.core.health import HealthCheck


@dataclass(frozen=True, kw_only=True)
class ProcessState:
    """Set up by the lifespan, read by the routes that report on the process.

    Attributes:
        version: The version of the installed application.
        health_checks: One per part this process depends on.
        started: Monotonic seconds when it was set up.
    """

    version: str
    health_checks: Sequence[HealthCheck]
    started: float = field(default_factory=time.monotonic)

    @property
    def uptime_seconds(self) -> float:
        """How long this process has been up."""
        return round(time.monotonic() - self.started, 3)
