"""Probes in three tiers. The parts' checks are registered in `wiring.py`; these routes know none of them."""

from http import HTTPStatus

from fastapi import APIRouter, Request, Response

from app.api.openapi import Responses
from app.core.health import Health, HealthStatus, run_checks
from app.core.process import get_object
from app.models.schemas.health import Liveness, Overview, Readiness

router = APIRouter(prefix="/api/v1/health", tags=["health"])

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
    report = await run_checks([check for check in get_object(Health).checks if not check.external])
    if report.status is HealthStatus.UNHEALTHY:
        response.status_code = HTTPStatus.SERVICE_UNAVAILABLE
    return Readiness(status=report.status, components=Readiness.components_of(report))


@router.get("/")
async def overview(request: Request) -> Overview:
    """Describe the state of this process, for people; always answers 200."""
    health = get_object(Health)
    report = await run_checks(health.checks)
    return Overview(
        status=report.status,
        components=Overview.components_of(report),
        version=request.app.version,
        uptime_seconds=health.uptime_seconds,
    )
