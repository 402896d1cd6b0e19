"""`app dev` and `app serve` as processes: they serve, and when they have ended nothing of theirs is left."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from tests.integration.core.listeners import closed_port

APP = [sys.executable, "-c", "from app.cli import run; run()"]
# Generous: two cores may be busy with other tests. Nothing waits this long on purpose.
LIMIT_SECONDS = 90.0

pytestmark = [
    pytest.mark.process,
    pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="looks for processes in /proc"),
]


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


def start(project: Path, *arguments: str, stdout: int = subprocess.DEVNULL) -> tuple["subprocess.Popen[str]", int]:
    with closed_port() as port:
        pass
    process = subprocess.Popen(
        [*APP, *arguments, "--port", str(port)],
        env={**os.environ, "PROJECT_UNDER_TEST": str(project)},
        stdout=stdout,
        stderr=subprocess.PIPE,
        text=True,
    )
    return process, port


def test_development_serves_on_a_database_of_its_own_and_leaves_nothing(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
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
        for pid in processes(project):
            with suppress(OSError):
                os.kill(pid, signal.SIGKILL)
    assert get(port, "/api/v1/health/live") is None
    assert "Traceback" not in said
    assert f"http://127.0.0.1:{port}/docs" in said
    assert (project / ".env").is_file()
    assert list((project / ".data").glob("postgres-*"))


WATCHED = "from app.serving.parent_watch import stop_with_parent as s; s(); import time; time.sleep(60)"
PARENT = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {WATCHED!r}, sys.argv[1]])"


def test_a_watched_process_ends_with_its_killed_parent(project: Path) -> None:
    """The server that reloads is the child of the one that watches the files."""
    parent = subprocess.Popen([sys.executable, "-c", PARENT, str(project)])
    try:
        (child,) = until(lambda: processes(project) - {parent.pid})
        # Past its start: a process without a parent is left alone.
        until(lambda: len(list(Path(f"/proc/{child}/task").iterdir())) > 1)
        parent.kill()
        parent.wait()

        until(lambda: child not in processes(project))
    finally:
        for pid in processes(project):
            with suppress(OSError):
                os.kill(pid, signal.SIGKILL)


def test_production_stops_when_it_has_answered_and_logged(on_migrated: str, project: Path) -> None:
    process, port = start(project, "serve", stdout=subprocess.PIPE)
    try:
        assert until(lambda: get(port, "/api/v1/health/ready"))["status"] == "healthy"

        for _ in range(3):
            assert get(port, "/api/v1/health/")
        process.terminate()
        logged, said = process.communicate(timeout=LIMIT_SECONDS)
    finally:
        process.kill()
        process.wait()
    assert process.returncode in {0, -signal.SIGTERM}
    assert "Traceback" not in said
    assert sum("/api/v1/health/" in line for line in logged.splitlines()) == 3
    assert not processes(project)


def test_workers_of_production_end_with_their_killed_supervisor(on_migrated: str, project: Path) -> None:
    process, port = start(project, "serve", "--workers", "2")
    try:
        until(lambda: get(port, "/api/v1/health/ready"))
        process.kill()
        # Ends when the last of them has closed it.
        process.communicate(timeout=LIMIT_SECONDS)
        until(lambda: not processes(project))
        with socket.create_server(("127.0.0.1", port)):
            pass
    finally:
        for pid in processes(project):
            with suppress(OSError):
                os.kill(pid, signal.SIGKILL)
