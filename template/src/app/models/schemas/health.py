"""Answers to probes."""

from pydantic import BaseModel, Field

from app.core.health import ComponentHealth, HealthStatus


class Liveness(BaseModel):
    """The process answers."""

    status: HealthStatus = HealthStatus.HEALTHY


class Readiness(BaseModel):
    """The state of this process for load balancers."""

    status: HealthStatus
    components: dict[str, ComponentHealth]


class Overview(Readiness):
    """Readiness, version and uptime."""

    version: str = Field(examples=["0.1.0"])
    uptime_seconds: float = Field(examples=[3600.5])
