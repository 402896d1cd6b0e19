"""Answers to probes."""

from pydantic import BaseModel, Field

from app.core.health import HealthReport, HealthStatus


class Liveness(BaseModel):
    """The process answers."""

    status: HealthStatus = HealthStatus.HEALTHY


class Component(BaseModel):
    """A part this process depends on."""

    status: HealthStatus
    required: bool = Field(description="No request can be served without it.")
    duration_ms: float = Field(description="The duration of its check.", examples=[0.8])


class Readiness(BaseModel):
    """The state of this process for load balancers."""

    status: HealthStatus
    components: dict[str, Component]

    @staticmethod
    def components_of(report: HealthReport) -> dict[str, Component]:
        """Return the components of a report by their names."""
        return {
            name: Component(
                status=HealthStatus.HEALTHY if healthy else HealthStatus.UNHEALTHY,
                required=required,
                duration_ms=duration_ms,
            )
            for name, healthy, required, duration_ms in report.components
        }


class Overview(Readiness):
    """Readiness, version and uptime."""

    version: str = Field(examples=["0.1.0"])
    uptime_seconds: float = Field(examples=[3600.5])
