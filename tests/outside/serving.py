"""Serve a rendered project as production does, on a real PostgreSQL, for a test of the factory."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path

from tests.projects import Project

EMBEDDED = Path(__file__).with_name("embedded.py")
START_SECONDS = 90.0  # a busy machine compiles the application first
STOP_SECONDS = 60.0
PERSON = {"email": "ada@example.com", "password": "correct horse battery staple"}
_SECRET_KEY = "outside-0123456789abcdef0123456789abcdef"  # noqa: S105 - of these tests alone


@dataclass
class Databases:
    """A running PostgreSQL that makes databases on demand."""

    process: subprocess.Popen[str]
    numbers: Iterator[int] = field(default_factory=count)

    def create(self) -> str:
        """Create an empty database and return its URL."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(f"outside_{next(self.numbers)}\n")
        self.process.stdin.flush()
        url = self.process.stdout.readline().strip()
        assert url, "the embedded server ended; its message is above"
        return url


@contextmanager
def databases(project: Project, folder: Path) -> Iterator[Databases]:
    """Run the project's embedded PostgreSQL with its data in `folder`."""
    process = subprocess.Popen(
        [str(project.venv / "bin" / "python"), str(EMBEDDED), str(folder)],
        cwd=project.folder,
        env=project.environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        yield Databases(process)
    finally:
        assert process.stdin is not None
        process.stdin.close()
        process.wait(STOP_SECONDS)
        assert process.stdout is not None
        process.stdout.close()


@dataclass
class Served:
    """A running `app serve`.

    Attributes:
        url: Where it answers, without a trailing slash.
        log: The file with everything it has printed.
        process: Its supervisor.
    """

    url: str
    log: Path
    process: subprocess.Popen[bytes]


def make_person(project: Project, database_url: str) -> None:
    """Create the user PERSON by a command, which needs neither a worker nor a mailbox."""
    create = f"app users create --email {PERSON['email']} --password-stdin"
    command = f"echo '{PERSON['password']}' | {create}"
    project.tool(
        "sh", "-c", command, DATABASE_URL=database_url, SECRET_KEY=_SECRET_KEY
    ).must_succeed()


def free_port() -> int:
    """Return a port that was free a moment ago."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port: int = probe.getsockname()[1]
    return port


@contextmanager
def served(
    project: Project,
    database_url: str,
    log: Path,
    *,
    migrate: bool = True,
    port: str = "",
    **environment: str,
) -> Iterator[Served]:
    """Migrate a database and serve the project on it until the block ends.

    Args:
        project: What is served.
        database_url: An existing database.
        log: Where standard output and error go.
        migrate: Run `app db upgrade` first.
        port: Where it listens; a free port unless given.
        environment: Variables of the server, on top of a development environment.
    """
    settings = {
        "DATABASE_URL": database_url,
        "SECRET_KEY": _SECRET_KEY,
    } | environment
    if migrate:
        project.tool("app", "db", "upgrade", timeout=300, **settings).must_succeed()
    port = port or str(free_port())
    command = [str(project.venv / "bin" / "app"), "serve", "--port", port]
    with log.open("ab") as output:
        process = subprocess.Popen(
            command,
            cwd=project.folder,
            env=project.environment | settings,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    running = Served(f"http://127.0.0.1:{port}", log, process)
    try:
        _wait_until_ready(running)
        yield running
    finally:
        process.terminate()
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def _wait_until_ready(server: Served) -> None:
    give_up = time.monotonic() + START_SECONDS
    while time.monotonic() < give_up and server.process.poll() is None:
        try:
            with urllib.request.urlopen(f"{server.url}/api/v1/health/ready", timeout=10):
                return
        except (urllib.error.HTTPError, OSError):
            time.sleep(0.1)
    raise AssertionError(f"the server was not ready:\n{server.log.read_text()[-4000:]}")
