"""`/metrics` of `app serve` and `app worker`, over all of their processes."""

import os
import signal
import subprocess
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from tests.integration.cli.conftest import CONSOLE
from tests.integration.cli.servers import LIMIT_SECONDS, get, kill_all, processes, start, until
from tests.integration.core.listeners import closed_port
from tests.metrics import scrape

Said = Callable[[], dict[str, float]]


@pytest.fixture
def said(on_migrated: str, monkeypatch: pytest.MonkeyPatch) -> Said:
    """Read the metrics of the command that is started; empty until it serves them."""
    with closed_port() as port:
        pass
    monkeypatch.setenv("TELEMETRY_METRICS_PORT", str(port))

    def read() -> dict[str, float]:
        with suppress(OSError):
            return scrape(port)
        return {}

    return read


def test_metrics_of_serve_are_those_of_all_its_processes(project: Path, said: Said) -> None:
    process, port = start(project, "serve", "--workers", "2")
    try:
        # Two processes, with two pools of 20 each.
        until(lambda: said().get("app_database_pool_connections") == 80)
        for _ in range(20):
            assert get(port, "/api/v1/health/")
        requests = 'app_http_request_duration_seconds_count{method="GET",route="/api/v1/health/",status="200"}'
        until(lambda: said()[requests] == 20)
        workers = [pid for pid in processes(project) if "spawn_main" in Path(f"/proc/{pid}/cmdline").read_text()]
        os.kill(workers[0], signal.SIGKILL)

        # Its gauges go with it, until another takes its place; what it has counted stays.
        until(lambda: said()["app_database_pool_connections"] == 40)
        until(lambda: said()["app_database_pool_connections"] == 80)
        assert said()[requests] == 20
        process.terminate()
        process.communicate(timeout=LIMIT_SECONDS)
    finally:
        kill_all(project)
    assert said() == {}


def test_metrics_of_worker_tell_of_the_queue(project: Path, said: Said) -> None:
    process = subprocess.Popen([*CONSOLE, "worker"], stdout=subprocess.DEVNULL)
    try:
        until(lambda: "app_jobs_due" in said())
        process.terminate()
        assert process.wait(LIMIT_SECONDS) == 0
    finally:
        kill_all(project)
    assert said() == {}
