"""Probes in three tiers. The parts' checks are registered in `wiring.py`; these routes know none of them."""

from http import HTTPStatus

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, Field

from app.api.openapi import Responses
from app.core.health import ComponentHealth, Health, HealthStatus, overall
from app.core.process import get_object

router = APIRouter(prefix="/api/v1/health", tags=["health"])


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


_NOT_READY: Responses = {
    HTTPStatus.SERVICE_UNAVAILABLE.value: {"model": Readiness, "description": "A required part does not work."}
}


@router.get("/live")
async def live() -> Liveness:
    """Answer, and touch nothing: a slow database is no reason to restart a process."""
    return Liveness()


@router.get("/ready", responses=_NOT_READY)
async def ready(response: Response) -> Readiness:
    """Tell load balancers if requests can be served: checks all parts at once, each within its own timeout."""
    components = await get_object(Health).probe()
    status = overall(components)
    if status is HealthStatus.UNHEALTHY:
        response.status_code = HTTPStatus.SERVICE_UNAVAILABLE
    return Readiness(status=status, components=components)


@router.get("/")
async def overview(request: Request) -> Overview:
    """Describe the state of this process some seconds ago, for people; always answers 200."""
    health = get_object(Health)
    components = await health.overview()
    return Overview(
        status=overall(components),
        components=components,
        version=request.app.version,
        uptime_seconds=health.uptime_seconds,
    )
