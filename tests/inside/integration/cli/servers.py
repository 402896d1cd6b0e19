"""`app serve` and `app dev` as processes, and all that they have started."""

import json
import os
import signal
import subprocess
import time
import urllib.request
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from tests.integration.cli.conftest import CONSOLE
from tests.integration.core.listeners import closed_port

# Generous: two cores may be busy with other tests. Nothing waits this long on purpose.
LIMIT_SECONDS = 90.0


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


def variable(pid: int, name: str) -> str | None:
    """Return a variable of a process's environment, as it began."""
    with suppress(OSError):
        for line in (Path("/proc") / str(pid) / "environ").read_bytes().split(b"\0"):
            if line.startswith(f"{name}=".encode()):
                return line.decode().partition("=")[2]
    return None


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
