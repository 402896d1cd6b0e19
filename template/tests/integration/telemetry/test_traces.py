"""Traces: one from a request over its statements, calls and jobs, as a collector receives it."""

import sys
import time
from typing import Any

import pytest
from fastapi import APIRouter
from opentelemetry.proto.trace.v1.trace_pb2 import Status
from sqlalchemy import text

from app.core import monitor
from app.core.config import ApplicationSettings
from app.core.config.process import TelemetrySettings
from app.core.database import Statement, get_database
from app.core.exceptions import ConfigurationError
from app.core.http import fetch_with_timeout
from app.core.jobs import get_jobs
from app.core.telemetry import make_traces
from app.core.uow import unit_of_work
from tests.applications import running
from tests.jobs import Chore, Notes, work_off
from tests.logs import captured_log
from tests.servers.http import faulty_server, reply, unused_url
from tests.servers.otlp import path, received

pytestmark = pytest.mark.anyio

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
CALLER = {"traceparent": f"00-{TRACE}-00f067aa0ba902b7-01", "baggage": "name=Xq7planted"}

router = APIRouter()
_READ: Any = Statement(text("SELECT length(CAST(:word AS text))"), int)
# The server repeats the word in its error.
_FAIL: Any = Statement(text("SELECT CAST(CAST(:word AS text) AS int)"), int)


@router.get("/walks/{number}")
async def walk(number: int, url: str) -> None:
    assert await get_database().reader.one(_READ, word="Xq7planted") == 10
    with monitor.trace("walk.call"):
        await fetch_with_timeout("GET", f"{url}/there?word=Xq7planted", service="elsewhere")
    async with unit_of_work() as uow:
        await (await uow.session.orm()).execute(text("SELECT 'entity'"))
        uow.enqueue(Chore(number=number))


@router.get("/falls")
async def fall() -> None:
    await get_database().reader.one(_FAIL, word="Xq7planted")


def traced(settings: ApplicationSettings, url: str, endpoint: str, rate: float = 1) -> ApplicationSettings:
    telemetry = TelemetrySettings(traces_endpoint=endpoint, traces_sample_rate=rate)
    return settings.with_database_url(url).model_copy(update={"telemetry": telemetry})


async def test_trace_goes_from_the_request_over_statements_and_calls_to_the_job(
    settings: ApplicationSettings, scratch_url: str
) -> None:
    async with faulty_server(reply()) as collector, faulty_server(reply()) as elsewhere:
        traces = traced(settings, scratch_url, collector.url)
        async with running(traces, router) as api:
            with captured_log() as log:
                get_jobs().register(Chore, Notes())
                await api.get(f"/walks/1?url={elsewhere.url}", headers=CALLER)
                await api.get("/api/v1/health/ready")
                await work_off(get_jobs(), traces.database)

    spans = received(collector)
    assert {span.trace_id.hex() for span in spans} == {TRACE}
    request = "GET /walks/{number}"
    assert {f"{request} > SELECT", f"{request} > walk.call > GET", f"{request} > INSERT"} <= {
        path(span, spans) for span in spans
    }
    statements = {each.value.string_value for span in spans for each in span.attributes if each.key == "db.statement"}
    assert {"SELECT length(CAST($1 AS text))", "SELECT 'entity'"} <= statements
    assert any(path(span, spans).startswith(request) and span.name == "job chore" for span in spans)
    (call,) = elsewhere.requests
    assert call.headers["traceparent"].split("-")[1] == TRACE
    assert "planted" not in str(call.headers) + str(spans)
    assert {line.get("trace_id") for line in (*log.events("request")[:1], *log.events("job done"))} == {TRACE}


async def test_trace_tells_of_a_failure_without_its_text(settings: ApplicationSettings, scratch_url: str) -> None:
    async with faulty_server(reply()) as collector:
        traces = traced(settings, scratch_url, collector.url)
        async with running(traces, router) as api:
            with captured_log() as log:
                answer = await api.get("/falls?word=Xq7planted")

    spans = received(collector)
    assert answer.status_code >= 500
    failed = {path(span, spans) for span in spans if span.status.code == Status.STATUS_CODE_ERROR}
    assert failed == {"GET /falls", "GET /falls > SELECT"}
    assert {span.trace_id.hex() for span in spans} == {log.events("request")[0]["trace_id"]}
    assert "planted" not in str(spans)


@pytest.mark.parametrize(("headers", "sent"), [({}, set()), (CALLER, {TRACE})], ids=["its own", "a caller's"])
async def test_trace_is_left_out_by_the_rate_unless_a_caller_wants_it(
    headers: dict[str, str], sent: set[str], settings: ApplicationSettings, scratch_url: str
) -> None:
    async with faulty_server(reply()) as collector:
        traces = traced(settings, scratch_url, collector.url, rate=0)
        async with running(traces, router) as api:
            await api.get("/falls", headers=headers)

    assert {span.trace_id.hex() for span in received(collector)} == sent


async def test_a_collector_that_is_away_costs_no_request_and_no_stop(
    settings: ApplicationSettings, scratch_url: str
) -> None:
    with captured_log():
        async with running(traced(settings, scratch_url, unused_url()), router) as api:
            began = time.monotonic()
            await api.get("/falls")
            assert time.monotonic() - began < 1
            began = time.monotonic()
    assert time.monotonic() - began < 10


def test_make_traces_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "app.core.telemetry.opentelemetry", None)
    with pytest.raises(ConfigurationError, match="is not installed"):
        make_traces(TelemetrySettings(traces_endpoint="http://127.0.0.1:4318"), service="tests")
