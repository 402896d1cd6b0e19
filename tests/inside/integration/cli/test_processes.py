"""`app dev` and `app serve` as processes, of which nothing is left in the end."""

import os
import signal
import subprocess
import urllib.request
from pathlib import Path

import pytest

from tests.databases import execute
from tests.integration.cli.conftest import CONSOLE
from tests.integration.cli.servers import LIMIT_SECONDS, get, kill_all, processes, start, until, variable

# A job that every project knows.
PURGE = (
    "INSERT INTO jobs.pgqueuer (priority, status, entrypoint, payload) "
    """VALUES (0, 'queued', 'retention.purge', '{"version": 1, "values": {}}')"""
)


def test_dev_serves_on_a_database_of_its_own_and_leaves_nothing(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SECRET_KEY")
    process, port = start(project, "dev")
    try:
        ready = until(lambda: get(port, "/api/v1/health/ready"))
        assert ready["components"]["database"]["status"] == "healthy"
        assert len(processes(project)) >= 3
        # A worker beside the server runs what requests enqueue, and its mail can be read.
        (url,) = {found for pid in processes(project) if (found := variable(pid, "DATABASE_URL"))}
        execute(url, PURGE)
        until(lambda: not execute(url, "SELECT FROM jobs.pgqueuer"))
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/dev/mail", timeout=5) as answer:
            assert b"<h1>Mail</h1>" in answer.read()

        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=LIMIT_SECONDS)
        until(lambda: not processes(project))
    finally:
        kill_all(project)
    assert get(port, "/api/v1/health/live") is None
    assert "Traceback" not in said
    assert f"http://127.0.0.1:{port}/docs" in said
    assert (project / ".env").is_file()
    assert list((project / ".data").glob("postgres-*"))


def test_serve_stops_when_it_has_answered_and_logged(on_migrated: str, project: Path) -> None:
    process, port = start(project, "serve", stdout=subprocess.PIPE)
    try:
        assert until(lambda: get(port, "/api/v1/health/ready"))["status"] == "healthy"

        for _ in range(3):
            assert get(port, "/api/v1/health/")
        process.terminate()
        logged, said = process.communicate(timeout=LIMIT_SECONDS)
    finally:
        kill_all(project)
    assert process.returncode in {0, -signal.SIGTERM}
    assert "Traceback" not in said
    assert sum("/api/v1/health/" in line for line in logged.splitlines()) == 3
    assert not processes(project)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_worker_runs_jobs_until_it_is_told_to_stop(number: signal.Signals, on_migrated: str, project: Path) -> None:
    execute(on_migrated, PURGE)
    worker = subprocess.Popen([*CONSOLE, "worker"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        until(lambda: not execute(on_migrated, "SELECT FROM jobs.pgqueuer"))
        os.kill(worker.pid, number)
        logged, said = worker.communicate(timeout=LIMIT_SECONDS)
    finally:
        worker.kill()
    assert worker.returncode == 0
    assert "Traceback" not in said + logged
    assert "worker stopped" in logged
