"""The cost of a worker's start, and its memory, against plain FastAPI on async SQLAlchemy.

Run it with a rendered project's Python, in the project's folder. Each round starts both servers,
one after the other, with the same flags on the same database, waits for the first success of the
readiness route, and kills them; the system says what they have used. Memory is Linux' alone.
"""

from __future__ import annotations

import os
import socket
import statistics
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from app.cli import migrations
from app.cli.settings import command_settings, with_database

ROUNDS = 9
# Against the floor: CPU until the first success, and memory then.
LIMITS = {"CPU until the first 200": 1.4, "memory then": 1.3}

PROJECT = "app.asgi:create_app"
PLAIN = "plain:create_app"

Figures = dict[str, float]


def first_success(application: str) -> Figures:
    """Serve an application until it is ready, and say what that took.

    Returns:
        Seconds of wall time and CPU; megabytes of memory where the system tells.
    """
    port = free_port()
    began = time.perf_counter()
    process = subprocess.Popen(
        [
            *(sys.executable, "-m", "uvicorn", application, "--factory", "--port", str(port)),
            *("--app-dir", str(Path(__file__).parent), "--no-access-log", "--log-level", "warning"),
            *("--loop", "uvloop", "--http", "httptools"),
        ],
        stdout=subprocess.DEVNULL,
    )
    try:
        wait_until_ready(process, f"http://127.0.0.1:{port}/api/v1/health/ready")
        wall = time.perf_counter() - began
        memory = _memory(process.pid)
    finally:
        process.kill()
        _, _, used = os.wait4(process.pid, 0)
        process.returncode = -9
    cpu = used.ru_utime + used.ru_stime
    return {"CPU until the first 200": cpu, "wall time until then": wall, **memory}


def free_port() -> int:
    """Return a port of this machine that nothing listens on."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port: int = probe.getsockname()[1]
    return port


def wait_until_ready(process: subprocess.Popen[bytes], address: str) -> None:
    """Wait for the first 200; SystemExit for another answer, or after a minute without one."""
    give_up = time.monotonic() + 60
    while time.monotonic() < give_up:
        try:
            with urllib.request.urlopen(address, timeout=10):
                return
        except urllib.error.HTTPError as error:
            raise SystemExit(f"{process.args!r} answered {error.code}") from error
        except OSError:
            time.sleep(0.01)
    raise SystemExit(f"{process.args!r} was not ready within a minute")


def _memory(process: int) -> Mapping[str, float]:
    """The memory that the process has to itself, and all that it has mapped, shared or not."""
    rollup = Path(f"/proc/{process}/smaps_rollup")
    if not rollup.exists():
        return {}
    kilobytes = {
        words[0]: int(words[1])
        for words in map(str.split, rollup.read_text().splitlines()[1:])
        if words[0].endswith(":")
    }
    own = kilobytes["Private_Clean:"] + kilobytes["Private_Dirty:"]
    return {"memory then": kilobytes["Rss:"] / 1024, "of that its own": own / 1024}


def only_import(module: str) -> Figures:
    """Import a module in a fresh interpreter, and say what CPU that took."""
    process = subprocess.Popen(
        [sys.executable, "-c", f"import {module}"],
        env=os.environ | {"PYTHONPATH": str(Path(__file__).parent)},
    )
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = status
    if status:
        raise SystemExit(f"{module} cannot be imported; the message is above")
    return {"CPU of the import": used.ru_utime + used.ru_stime}


def report(rounds: Sequence[tuple[Figures, Figures]]) -> Iterator[str]:
    """Say each figure's median, their ratio, and the range of the middle half."""
    yield f"{'':26}{'project':>10}{'plain':>10}{'ratio':>8}"
    for name in rounds[0][0]:
        project = statistics.median(each[name] for each, _ in rounds)
        plain = statistics.median(each[name] for _, each in rounds)
        low, ratio, high = statistics.quantiles((a[name] / b[name] for a, b in rounds), n=4)
        within = f"at most {LIMITS[name]}" if name in LIMITS else ""
        line = f"{name:26}{project:>10.2f}{plain:>10.2f}{ratio:>8.2f}  ({low:.2f} to {high:.2f})"
        yield f"{line}  {within}".rstrip()


def exceeded(rounds: Sequence[tuple[Figures, Figures]]) -> list[str]:
    """Return the figures that are beyond their limits."""
    return [
        name
        for name, limit in LIMITS.items()
        if name in rounds[0][0] and statistics.median(a[name] / b[name] for a, b in rounds) > limit
    ]


def main() -> int:
    """Bring up the project's own database, and measure; 1 when a limit is exceeded, else 0."""
    with with_database(command_settings()) as settings:
        migrations.upgrade(settings)
        os.environ["DATABASE_URL"] = settings.database.address.url.render_as_string(
            hide_password=False
        )
        rounds = [
            (
                first_success(PROJECT) | only_import("app.main"),
                first_success(PLAIN) | only_import("plain"),
            )
            for _ in range(ROUNDS + 1)
        ][1:]  # the first round compiles
    print(*report(rounds), sep="\n")
    beyond = exceeded(rounds)
    print(f"\nbeyond the limit: {', '.join(beyond) or 'nothing'}")
    return int(bool(beyond))


if __name__ == "__main__":
    raise SystemExit(main())
