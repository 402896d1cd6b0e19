"""What the lifespan has set up for this process, for the routes to use."""

import time
from collections.abc import Sequence
from dataclasses import dataclass, field

from app.core.config.auth import SignUp
from app.core.health import HealthCheck
from app.core.security import RateLimits
from app.services.authentication import Authentication


@dataclass(frozen=True, kw_only=True)
class ProcessState:
    """Made in `wiring.py`, asked for as `Process` (see `dependencies.py`).

    Attributes:
        version: The version of the installed application.
        authentication: Passwords, tokens and sessions.
        rate_limits: Where callers' allowances are kept.
        sign_up: Who may register.
        health_checks: One per part this process depends on.
        started: Monotonic seconds when it was set up.
    """

    version: str
    authentication: Authentication
    rate_limits: RateLimits
    sign_up: SignUp
    health_checks: Sequence[HealthCheck]
    started: float = field(default_factory=time.monotonic)

    @property
    def uptime_seconds(self) -> float:
        """How long this process has been up."""
        return round(time.monotonic() - self.started, 3)
