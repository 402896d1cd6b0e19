"""`app dev` and `app serve`: what they refuse, and as processes of which nothing is left in the end."""

import json
import os
import signal
import socket
import stat
import subprocess
import time
import urllib.request
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from tests.environments import production
from tests.integration.cli.conftest import CONSOLE, Run
from tests.integration.core.listeners import closed_port

# Generous: two cores may be busy with other tests. Nothing waits this long on purpose.
LIMIT_SECONDS = 90.0

looks_for_processes = pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="looks for them in /proc")


def until(found: Callable[[], object]) -> Any:
    """Return what is found, as soon as it is."""
    deadline = time.monotonic() + LIMIT_SECONDS
    while time.monotonic() < deadline:
        if result := found():
            return result
        time.sleep(0.02)
    raise AssertionError("waited in vain")


def get(port: int, path: str) -> dict[str, Any] | None:
    with suppress(OSError), urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=5) as answer:
        found: dict[str, Any] = json.load(answer)
        return found
    return None


def processes(project: Path) -> set[int]:
    """Every process that works on the project: by its command, its folder or its environment."""
    mark = str(project).encode()
    found = set()
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            told = (folder / "cmdline").read_bytes() + (folder / "environ").read_bytes()
            # A zombie has neither; it waits for its parent only.
            if mark in told and int(folder.name) != os.getpid():
                found.add(int(folder.name))
    return found


def kill_all(project: Path) -> None:
    for pid in processes(project):
        with suppress(OSError):
            os.kill(pid, signal.SIGKILL)


def start(project: Path, *arguments: str, stdout: int = subprocess.DEVNULL) -> tuple["subprocess.Popen[str]", int]:
    with closed_port() as port:
        pass
    process = subprocess.Popen(
        [*CONSOLE, *arguments, "--port", str(port)],
        env={**os.environ, "PROJECT_UNDER_TEST": str(project)},
        stdout=stdout,
        stderr=subprocess.PIPE,
        text=True,
    )
    return process, port


def test_serve_waits_for_migrations(on_empty: str, app_command: Run) -> None:
    with closed_port() as port:
        pass
    result = app_command("serve", "--port", str(port))

    assert result.code == 1
    assert "The database is at revision (none)" in result.err
    assert "app db upgrade" in result.err


@pytest.mark.parametrize("command", ["serve", "dev"])
def test_serve_and_dev_name_an_address_that_cannot_be_had(command: str, on_migrated: str, app_command: Run) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        taken = server.getsockname()[1]
        for host, port in (("127.0.0.1", taken), ("192.0.2.1", 8000), ("no-such-host.invalid", 8000)):
            result = app_command(command, "--host", host, "--port", str(port))
            assert result.code == 1
            assert f"Nothing can listen on {host}:{port} (" in result.err
            assert "--port" in result.err


def test_serve_without_a_database_names_the_ways_out(project: Path, app_command: Run) -> None:
    result = app_command("serve")

    assert result.code == 1
    assert "No database is configured." in result.err
    assert "app dev" in result.err
    assert not (project / ".data").exists()


@pytest.mark.parametrize("stage", ["staging", "production"])
def test_dev_is_refused_in_other_stages(
    stage: str, on_migrated: str, project: Path, app_command: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    production(monkeypatch, ENVIRONMENT=stage)

    result = app_command("dev")

    assert result.code == 1
    assert f"`app dev` is for development, and ENVIRONMENT is {stage}." in result.err
    assert not (project / ".env").exists()


def test_the_first_command_writes_a_key_for_its_owner_alone(
    project: Path, on_migrated: str, app_command: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert app_command("db", "current").code == 0
    assert not (project / ".env").exists()
    monkeypatch.delenv("SECRET_KEY")

    first = app_command("db", "current")
    content = (project / ".env").read_text()
    second = app_command("db", "current")

    assert (first.code, second.code) == (0, 0)
    assert "wrote .env" in first.err
    assert second.err == ""
    assert (project / ".env").read_text() == content
    assert stat.S_IMODE((project / ".env").stat().st_mode) == 0o600
    key = content.partition("SECRET_KEY=")[2].splitlines()[0]
    assert len(key) >= 32
    assert key not in first.out + first.err


@looks_for_processes
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


@looks_for_processes
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
