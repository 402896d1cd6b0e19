"""README.md's fenced blocks, and a machine to type them on: a clone, an empty home, a terminal."""

from __future__ import annotations

import contextlib
import os
import re
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.client import HTTPException
from pathlib import Path

import pexpect
import psutil

from tests.checkout import GIT_ENVIRONMENT, ROOT, take_snapshot

# What a person has in the environment that the commands may need: the way to the package index.
_KEPT = ("PIP_", "UV_DEFAULT_INDEX", "UV_INDEX", "SSL_", "REQUESTS_", "HTTP", "http", "NO_PROXY")


def fenced_blocks() -> list[str]:
    """Return the fenced blocks of README.md in their order, without the fences."""
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    return [
        block.strip() for block in re.findall(r"^```\w*\n(.*?)^```", text, re.DOTALL | re.MULTILINE)
    ]


def free_port() -> int:
    """Return a free port of this machine."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


@dataclass
class Machine:
    """A person's machine with Python, pip and git, and a fresh clone of Ashlar.

    Attributes:
        folder: Everything is in here: the home, the clone and what the commands make beside it.
        cold: Whether caches of packages are left out, too.
        port: Where the server listens.
        token: The access token of who is logged in.
    """

    folder: Path
    cold: bool = False
    port: int = field(default_factory=free_port)
    token: str = ""
    _terminals: list[pexpect.spawn[str]] = field(default_factory=list)

    def __post_init__(self) -> None:
        """Clone the work tree, and make a Python whose packages are only pip's."""
        source = self.folder / "source"
        take_snapshot(source)
        subprocess.run(
            ["git", "clone", "--quiet", "--no-tags", str(source), str(self.clone)], check=True
        )
        home = self.folder / "home"
        home.mkdir()
        subprocess.run(
            ["uv", "venv", "--quiet", "--seed", "--python", sys.executable, str(self._python)],
            check=True,
        )

    @property
    def clone(self) -> Path:
        """The fresh clone, in which the commands are typed."""
        return self.folder / "ashlar"

    @property
    def _python(self) -> Path:
        return self.folder / "python"

    @property
    def environment(self) -> dict[str, str]:
        """An empty home, the system's programs and the machine's own Python."""
        kept = {name: value for name, value in os.environ.items() if name.startswith(_KEPT)}
        if not self.cold:
            for name, command in (
                ("UV_CACHE_DIR", ["uv"]),
                ("PIP_CACHE_DIR", ["python", "-m", "pip"]),
            ):
                told = subprocess.run(
                    [*command, "cache", "dir"], capture_output=True, text=True, check=False
                )
                if told.returncode == 0:
                    kept[name] = told.stdout.strip()
        return (
            kept
            | GIT_ENVIRONMENT
            | {
                "HOME": str(self.folder / "home"),
                "PATH": f"{self._python / 'bin'}:/usr/local/bin:/usr/bin:/bin",
                "LANG": "C.UTF-8",
                "TERM": "xterm",
                "API_PORT": str(self.port),
            }
        )

    def install_uv(self) -> None:
        """Have uv, without pip's taking its time to install it."""
        where = ["--python", str(self._python), "uv"]
        subprocess.run(["uv", "pip", "install", "--quiet", *where], check=True)

    def run(self, command: str, *, folder: Path | None = None) -> None:
        """Run `command` to its end in `folder`, the clone unless told otherwise.

        Raises:
            subprocess.CalledProcessError: It failed.
        """
        shell = ["/bin/bash", "-c", command]
        subprocess.run(shell, cwd=folder or self.clone, env=self.environment, check=True)

    def type(self, command: str, *, folder: Path | None = None) -> pexpect.spawn[str]:
        """Type `command` into a terminal in `folder`, the clone unless told otherwise."""
        terminal = pexpect.spawn(
            "/bin/bash",
            ["-c", command],
            cwd=str(folder or self.clone),
            env=self.environment,
            dimensions=(40, 100),
            encoding="utf-8",
            timeout=1,
        )
        self._terminals.append(terminal)
        return terminal

    def wait_until_ready(self, terminal: pexpect.spawn[str], *, seconds: float) -> None:
        """Wait until `/api/v1/health/ready` answers 200.

        Raises:
            AssertionError: It did not in time, or the command ended; with what was on the terminal.
        """
        shown = ""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            with contextlib.suppress(pexpect.TIMEOUT):
                try:
                    shown += terminal.read_nonblocking(size=65536, timeout=0.1)
                except pexpect.EOF:
                    break
            with contextlib.suppress(OSError, HTTPException):
                url = f"http://127.0.0.1:{self.port}/api/v1/health/ready"
                with urllib.request.urlopen(url, timeout=5) as answer:
                    if answer.status == 200:
                        return
        raise AssertionError(f"no server within {seconds:.0f} s; the terminal:\n{shown}")

    def processes(self) -> list[str]:
        """Return what still runs out of this machine's folder, as command lines."""
        found = []
        for process in psutil.process_iter():
            with contextlib.suppress(psutil.Error):
                line = " ".join(process.cmdline())
                if str(self.folder) in f"{line} {process.cwd()}":
                    found.append(f"{process.pid} {line}")
        return found

    def must_become_quiet(self, *, seconds: float) -> None:
        """Wait until nothing runs any more.

        Raises:
            AssertionError: Something still does; it is named.
        """
        end = time.monotonic() + seconds
        while (left := self.processes()) and time.monotonic() < end:
            time.sleep(0.1)
        assert left == [], f"still running after {seconds:.0f} s: {left}"

    def close(self) -> None:
        """End what is left, by process id."""
        for terminal in self._terminals:
            terminal.close(force=True)
        for line in self.processes():
            with contextlib.suppress(psutil.Error):
                psutil.Process(int(line.split()[0])).kill()


@contextlib.contextmanager
def machine(folder: Path, *, cold: bool = False) -> Iterator[Machine]:
    """A machine that is cleaned up afterwards."""
    made = Machine(folder, cold=cold)
    try:
        yield made
    finally:
        made.close()
