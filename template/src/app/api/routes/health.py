"""Probes in three tiers. The parts register their checks in `wiring.py`; these routes know none of them."""

from http import HTTPStatus

from fastapi import APIRouter, Response

from app.api.dependencies import Process
from app.api.openapi import Responses
from app.core.health import HealthStatus, run_checks
from app.models.schemas.health import Liveness, Overview, Readiness

router = APIRouter(prefix="/api/v1/health", tags=["health"])

_NOT_READY: Responses = {
    HTTPStatus.SERVICE_UNAVAILABLE.value: {"model": Readiness, "description": "A required part does not work."}
}


@router.get("/live")
async def live() -> Liveness:
    """Whether the process answers at all; touches nothing, so that a slow database restarts nobody."""
    return Liveness()


@router.get("/ready", responses=_NOT_READY)
async def ready(process: Process, response: Response) -> Readiness:
    """Whether requests can be served: every part of ours is asked at the same time, each within its limit."""
    report = await run_checks([check for check in process.health_checks if not check.external])
    if report.status is HealthStatus.UNHEALTHY:
        response.status_code = HTTPStatus.SERVICE_UNAVAILABLE
    return Readiness(status=report.status, components=Readiness.components_of(report))


@router.get("/")
async def overview(process: Process) -> Overview:
    """How this process is doing, for people; always answers 200."""
    report = await run_checks(process.health_checks)
    return Overview(
        status=report.status,
        components=Overview.components_of(report),
        version=process.version,
        uptime_seconds=process.uptime_seconds,
    )
