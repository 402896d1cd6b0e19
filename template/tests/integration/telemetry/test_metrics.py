"""Metrics: each moves with what it is about, and dashboard, alerts and documentation name those that there are."""

import asyncio
import re
from typing import ClassVar

import pytest
from fastapi import APIRouter
from httpx import AsyncClient

from app.api.middleware.context import REQUESTS
from app.core import cache
from app.core.config import ApplicationSettings
from app.core.config.process import TelemetrySettings
from app.core.database import get_database
from app.core.events import BaseEvent, get_event_bus
from app.core.exceptions import ConfigurationError
from app.core.jobs import get_jobs
from app.core.telemetry import Counter, serving_metrics
from app.core.telemetry.samples import ProcessSample, sample_queue
from app.core.uow import unit_of_work
from tests.applications import running
from tests.jobs import Chore, Notes, until, work_off
from tests.metrics import GRAFANA, PROJECT, names, panels, scrape

pytestmark = pytest.mark.anyio

RULES = (GRAFANA / "alerts.yaml").read_text(encoding="utf-8")
OPERATIONS = (PROJECT / "docs" / "operations.md").read_text(encoding="utf-8")
EXPLAINED = set(re.findall(r"^\| `(app_[a-z_]+)` \|", OPERATIONS, re.MULTILINE))
REQUESTS_OF = 'app_http_request_duration_seconds_count{method="%s",route="%s",status="%s"}'

router = APIRouter()


class Rang(BaseEvent):
    type: ClassVar[str] = "tests.rang"


@router.get("/bells/{number}")
async def ring(number: int) -> None:
    await get_event_bus().publish(Rang())
    await cache.get(f"bell-{number}")


def measured(settings: ApplicationSettings, url: str, port: int) -> ApplicationSettings:
    with_database = settings.with_database_url(url)
    return with_database.model_copy(update={"telemetry": TelemetrySettings(metrics_port=port)})


async def fail() -> None:
    raise ValueError("no")


async def make_traffic(api: AsyncClient, settings: ApplicationSettings) -> None:
    """Have each metric count once at least."""
    for path in ("/bells/1", "/bells/2", "/bells/none", "/nowhere", "/api/v1/health/live"):
        await api.get(path)
    await api.request("BREW", "/bells/1")
    await cache.set("bell-1", 1)
    await cache.get("bell-1")
    get_jobs().register(Chore, Notes(fail))
    async with unit_of_work() as uow:
        uow.enqueue(Chore())
    await sample_queue()
    waiting = scrape(settings.telemetry.metrics_port or 0)
    assert waiting["app_jobs_due"] == 1
    assert 0 < waiting["app_jobs_oldest_due_seconds"] < 60
    await work_off(get_jobs(), settings.database)
    await sample_queue()


async def test_every_metric_moves_with_what_it_is_about(
    settings: ApplicationSettings, scratch_url: str, metrics_port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.core.telemetry._SAMPLE_SECONDS", 0.02)
    measuring = measured(settings, scratch_url, metrics_port)
    before, stay = scrape(metrics_port), asyncio.Event()

    async def has_been_sampled() -> bool:
        return scrape(metrics_port).get("app_events_pending") == 2

    async with running(measuring, router) as api:
        get_event_bus().subscribe(Rang, lambda _: stay.wait())
        await make_traffic(api, measuring)
        await until(has_been_sampled)
        after = scrape(metrics_port)
        stay.set()

    def counted(series: str) -> float:
        return after.get(series, 0) - before.get(series, 0)

    # The template of the route, and no word or path of a caller's.
    for method, route, status, number in [
        ("GET", "/bells/{number}", 200, 2),
        ("GET", "/bells/{number}", 422, 1),
        ("other", "/bells/{number}", 405, 1),
        ("GET", "none", 404, 1),
        ("GET", "/api/v1/health/live", 200, 0),
    ]:
        assert counted(REQUESTS_OF % (method, route, status)) == number
    assert counted('app_cache_reads_total{outcome="hit"}') == 1
    assert counted('app_cache_reads_total{outcome="miss"}') == 2
    assert counted('app_job_runs_total{outcome="retried",type="chore"}') == Chore.attempts - 1
    assert counted('app_job_runs_total{outcome="failed",type="chore"}') == 1
    assert counted('app_events_total{outcome="published"}') == 2
    assert after["app_database_pool_connections"] == 10
    assert (after["app_jobs_due"], after["app_jobs_set_aside"]) == (0, 1)

    said = names(" ".join(after))
    assert names(" ".join(target["expr"] for panel in panels("app.json") for target in panel["targets"])) <= said
    assert names(RULES) <= said <= EXPLAINED


async def test_get_database_stats_tells_of_those_who_wait(
    settings: ApplicationSettings, scratch_url: str, metrics_port: int
) -> None:
    async with running(measured(settings, scratch_url, metrics_port)):
        writing = get_database().writing
        borrowed = [await writing.borrow() for _ in range(5)]
        late = asyncio.create_task(writing.borrow())
        await asyncio.sleep(0)
        await ProcessSample()()
        said = scrape(metrics_port)
        for each in borrowed:
            await writing.give_back(each)
        await writing.give_back(await late)

    assert (said["app_database_pool_in_use_connections"], said["app_database_pool_waiting"]) == (5, 1)


async def test_metrics_that_are_off_count_nothing(settings: ApplicationSettings, metrics_port: int) -> None:
    before = scrape(metrics_port)

    Counter("app_tests_total", "Never made.").add()
    REQUESTS.observe(1, "GET", "/", "200")

    assert scrape(metrics_port) == before


def test_every_alert_and_metric_is_explained() -> None:
    alerts = set(re.findall(r"- alert: (\w+)", RULES))
    explained = set(re.findall(r"^### (App\w+)", OPERATIONS, re.MULTILINE))

    assert alerts == explained
    assert names(" ".join(file.read_text(encoding="utf-8") for file in GRAFANA.glob("*.json"))) == EXPLAINED


def test_serving_metrics_says_that_its_port_is_taken(metrics_port: int) -> None:
    taken = TelemetrySettings(metrics_port=metrics_port)
    with pytest.raises(ConfigurationError, match="Nothing can listen on"), serving_metrics(taken, host="127.0.0.1"):
        pass
