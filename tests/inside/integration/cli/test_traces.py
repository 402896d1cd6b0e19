"""A trace over two processes: `app serve` answers a request, and `app worker` runs the job that it enqueues."""

import json
import subprocess
from pathlib import Path
from typing import Any

import anyio.to_thread
import httpx
import pytest

from tests.databases import execute
from tests.integration.cli.conftest import CONSOLE
from tests.integration.cli.servers import LIMIT_SECONDS, get, kill_all, start, until
from tests.servers.http import faulty_server, reply
from tests.servers.otlp import path, received

PERSON = {"email": "ada@example.com", "password": "correct horse battery staple"}
REQUEST = "POST /api/v1/auth/register"


def lines_of_both(project: Path, url: str) -> list[list[dict[str, Any]]]:
    """Register with a server, have a worker send the mail, stop both, and return what each has logged."""
    server, port = start(project, "serve", stdout=subprocess.PIPE)
    worker = subprocess.Popen([*CONSOLE, "worker"], stdout=subprocess.PIPE, text=True)
    try:
        until(lambda: get(port, "/api/v1/health/ready"))
        answer = httpx.post(f"http://127.0.0.1:{port}/api/v1/auth/register", json=PERSON, timeout=LIMIT_SECONDS)
        assert answer.status_code == 202, answer.text
        until(lambda: not execute(url, "SELECT FROM jobs.pgqueuer"))
        for process in (server, worker):
            process.terminate()
        said = [process.communicate(timeout=LIMIT_SECONDS)[0] for process in (server, worker)]
    finally:
        kill_all(project)
        worker.kill()
    return [[json.loads(line) for line in each.splitlines()] for each in said]


@pytest.mark.anyio
async def test_a_request_and_its_job_in_another_process_are_one_trace(
    project: Path, on_migrated: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LOG_FORMAT", "json")
    async with faulty_server(reply()) as collector:
        monkeypatch.setenv("TELEMETRY_TRACES_ENDPOINT", collector.url)
        of_server, of_worker = await anyio.to_thread.run_sync(lines_of_both, project, on_migrated)

    spans = received(collector)
    paths = {path(span, spans) for span in spans}
    job = f"{REQUEST} > job account.link"
    assert {REQUEST, f"{REQUEST} > INSERT", job, f"{job} > SELECT"} <= paths
    (trace,) = {span.trace_id.hex() for span in spans}
    for lines, event in ((of_server, "request"), (of_worker, "job done")):
        assert [line["event"] for line in lines if line.get("trace_id") == trace].count(event) == 1
        assert {line["trace_id"] for line in lines if "trace_id" in line} == {trace}
