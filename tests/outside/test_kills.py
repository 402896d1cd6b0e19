"""No answer 2xx without its row, whatever is killed meanwhile."""

from __future__ import annotations

import os
import random
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from tests.outside.serving import Databases, Served, free_port, make_person, served
from tests.projects import Project

WRITERS = Path(__file__).with_name("writers.py")
# From a kill to the next item: a supervisor starts anew in it, on a busy machine.
PATIENCE_SECONDS = 120


class Writers:
    """Clients that create items, and the lines they have printed."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process
        self.lines: list[str] = []
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def wait_for_items(self, count: int) -> None:
        """Wait until so many more items have been created."""
        wanted, give_up = len(self.lines) + count, time.monotonic() + PATIENCE_SECONDS
        while len(self.lines) < wanted:
            assert self.process.poll() is None, "the clients have ended"
            assert time.monotonic() < give_up, "nothing is created any more"
            time.sleep(0.02)

    def end(self) -> tuple[int, int]:
        """Return how many items are lost, and how many were answered."""
        assert self.process.stdin is not None
        self.process.stdin.close()
        self._reader.join(PATIENCE_SECONDS)
        lost, answered = self.lines[-1].split()
        return int(lost), int(answered)

    def _read(self) -> None:
        assert self.process.stdout is not None
        self.lines.extend(self.process.stdout)


@contextmanager
def writers(project: Project, server: Served, database_url: str) -> Iterator[Writers]:
    """Create items with 64 clients until the block ends."""
    python = project.venv / "bin" / "python"
    command = [str(python), str(WRITERS), server.url, database_url]
    with subprocess.Popen(
        command,
        cwd=project.folder,
        env=project.environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        bufsize=1,
    ) as process:
        try:
            yield Writers(process)
        finally:
            process.kill()


def workers_of(server: Served) -> list[int]:
    """Return the process ids of the supervisor's children."""
    pid = server.process.pid
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def wait_until_free(port: int) -> None:
    """Wait until the killed supervisor's workers, which end by themselves, have left its port."""
    give_up = time.monotonic() + PATIENCE_SECONDS
    while True:
        try:
            socket.create_server(("127.0.0.1", port)).close()
        except OSError:
            assert time.monotonic() < give_up, "something outlives a killed supervisor"
            time.sleep(0.1)
        else:
            return


@pytest.mark.parametrize("kills", [4, pytest.param(100, marks=pytest.mark.long)])
def test_every_answered_item_has_its_row_although_workers_and_supervisors_are_killed(
    kills: int, full: Project, postgres: Databases, tmp_path: Path
) -> None:
    chance = random.Random(kills)  # noqa: S311 — the same every time
    database_url, port, killed = postgres.create(), str(free_port()), 0
    creating: Writers | None = None
    with ExitStack() as stack:
        while killed < kills:
            with served(
                full,
                database_url,
                tmp_path / "log",
                migrate=creating is None,
                port=port,
                API_WORKERS="2",
            ) as server:
                if creating is None:
                    make_person(full, database_url)
                    creating = stack.enter_context(writers(full, server, database_url))
                while killed < kills and server.process.poll() is None:
                    creating.wait_for_items(chance.randrange(20, 60))
                    victim = chance.choice([server.process.pid, *workers_of(server)])
                    os.kill(victim, signal.SIGKILL)
                    killed += 1
                    if victim == server.process.pid:
                        server.process.wait()
                        wait_until_free(int(port))
        assert creating is not None
        lost, answered = creating.end()

    assert lost == 0
    assert answered >= kills * 20
