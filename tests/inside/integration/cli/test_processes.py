"""`app dev` and `app serve` as processes, of which nothing is left in the end."""

import signal
import subprocess
from pathlib import Path

import pytest

from tests.integration.cli.servers import LIMIT_SECONDS, get, kill_all, processes, start, until


def test_dev_serves_on_a_database_of_its_own_and_leaves_nothing(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SECRET_KEY")
    process, port = start(project, "dev")
    try:
        ready = until(lambda: get(port, "/api/v1/health/ready"))
        assert ready["components"]["database"]["status"] == "healthy"
        assert len(processes(project)) >= 3

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
