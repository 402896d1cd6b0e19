"""The cost of middleware and dependencies, part by part, in CPU of a bare FastAPI route.

Run it with a rendered project's Python, in the project's folder, with this repository on
PYTHONPATH. One process serves the same route many times over, each time with one part more; a
client in another process asks them in turn, so that whatever disturbs the machine disturbs all of
them. The access log goes to a file.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import logging
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, MutableMapping, Sequence
from typing import Any, TextIO
from uuid import uuid4

os.environ.update(LOG_FORMAT="json", LOG_LEVEL="INFO")

from app import asgi
from app.cli import migrations
from app.cli.settings import command_settings, with_database
from app.core.config.process import TelemetrySettings
from app.core.telemetry import counting, make_traces, serving_metrics, tracing
from app.main import create_app
from app.services.authentication import get_authentication
from fastapi import FastAPI
from uvicorn.logging import AccessFormatter

from tests.benchmarks.keep_alive import PATH, Order
from tests.benchmarks.layers import (
    IDENTITY,
    LOGGED,
    METRICS,
    READ_SESSION,
    UNIT_OF_WORK,
    Step,
    steps_of,
)
from tests.benchmarks.serving import client, new_loop, served

ROUNDS = 40
REQUESTS = 160
CLIENTS = (1, 32)
# More than this on top of a bare route, and the project has become too expensive.
LIMIT = 0.5
METRICS_LIMIT = 0.1
COLLECTOR = """
from http.server import BaseHTTPRequestHandler, HTTPServer

class Collector(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_):
        pass

server = HTTPServer(("127.0.0.1", 0), Collector)
print(server.server_port, flush=True)
server.serve_forever()
"""


async def call(step: Step, authorization: str) -> None:
    """Ask an application without a server, as one would call a function."""
    scope: dict[str, Any] = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": "GET",
        "scheme": "http",
        "path": PATH,
        "raw_path": PATH.encode(),
        "root_path": "",
        "query_string": b"",
        "headers": [
            (b"host", b"127.0.0.1"),
            (b"accept", b"*/*"),
            (b"user-agent", b"benchmark"),
            (b"authorization", authorization.encode()),
        ],
        "client": ("127.0.0.1", 40000),
        "server": ("127.0.0.1", 80),
        "state": {},
    }

    async def receive() -> dict[str, object]:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: MutableMapping[str, Any]) -> None:
        if message.get("status", 200) != 200:
            raise SystemExit(f"{step.label}: answered {message}")

    await step.app(scope, receive, send)


async def measure(steps: Sequence[Step], authorization: str, log: TextIO) -> None:
    """Fill in the costs, in rounds: each step has its turn, without and with a server."""
    handler = logging.StreamHandler(log)
    handler.setFormatter(AccessFormatter())

    async def in_process(step: Step) -> None:
        for _ in range(REQUESTS):
            await call(step, authorization)
            # Ends the turn, and with it the line of the log.
            await asyncio.sleep(0)

    async with served(steps), client() as order:
        for turn in range(ROUNDS + 1):
            # There and back again, so that no step always follows the same one.
            for step in steps if turn % 2 else reversed(steps):
                # uvicorn looks for handlers when a connection is made, which is in the first round.
                logging.getLogger("uvicorn.access").handlers = [handler] * step.uvicorn_logs
                await _timed(step, "in process", in_process(step), keep=turn > 0)
                for number in CLIENTS:
                    asked = Order(port=step.port, clients=number, requests=REQUESTS)
                    ordered = order({**asked, "authorization": authorization})
                    await _timed(step, f"{number} clients", ordered, keep=turn > 0)


async def _timed(step: Step, way: str, work: Any, *, keep: bool) -> None:
    began = time.process_time()
    await work
    spent = time.process_time() - began
    # The first round connects, imports what is imported late, and fills caches.
    if keep:
        step.costs.setdefault(way, []).append(spent / REQUESTS * 1e6)


def report(steps: Sequence[Step]) -> Iterator[str]:
    """Say what each step adds, as a share of the floor."""
    floor = steps[0]
    ways = list(floor.costs)
    yield f"{'on top of a bare route':28}" + "".join(f"{way:>22}" for way in ways)
    yield f"{'its own CPU, µs':28}" + "".join(_cell(floor.costs[way], 1) for way in ways)
    named = {step.label: step for step in steps}
    for step in steps[1:]:
        assert step.on is not None
        yield _line(step.label, step, step.on, floor)
    yield ""
    yield _line("middleware and identity", named[IDENTITY], floor, floor)
    yield _line("beyond a route that logs", named[IDENTITY], named[LOGGED], named[LOGGED])
    yield _line("and a read session", named[READ_SESSION], floor, floor)
    yield _line("or a unit of work", named[UNIT_OF_WORK], floor, floor)


def _line(label: str, step: Step, on: Step, floor: Step) -> str:
    return f"{label:28}" + "".join(_cell(shares(step, on, floor, way), 2) for way in floor.costs)


def _cell(values: Sequence[float], digits: int) -> str:
    low, middle, high = statistics.quantiles(values, n=4)
    return f"{f'{middle:.{digits}f} ({low:.{digits}f}–{high:.{digits}f})':>22}"


def shares(step: Step, on: Step, floor: Step, way: str) -> list[float]:
    """Return what a step adds, as a share of the floor, in each round.

    What disturbs the machine for longer than a round disturbs all that is compared in it.

    Args:
        step: The step.
        on: What it was added to.
        floor: The bare route.
        way: How they were asked.
    """
    compared = zip(step.costs[way], on.costs[way], floor.costs[way], strict=True)
    return [(with_it - without) / bare for with_it, without, bare in compared]


async def run(project: FastAPI, log: TextIO) -> int:
    """Measure and report; 1 when the limit is exceeded, else 0."""
    with collector() as endpoint, socket.create_server(("127.0.0.1", 0)) as free:
        telemetry = TelemetrySettings(metrics_port=free.getsockname()[1], traces_endpoint=endpoint)
        free.close()
        traces = make_traces(telemetry, service="benchmark")
        assert traces is not None
        with serving_metrics(telemetry, host="127.0.0.1"):
            async with project.router.lifespan_context(project), tracing(traces), counting():
                token = get_authentication().tokens.issue(
                    user_id=uuid4(), session_id=uuid4(), scopes=["users:read"]
                )
                steps = steps_of(project, traces)
                await measure(steps, f"Bearer {token}", log)
    print(*report(steps), sep="\n")
    named = {step.label: step for step in steps}
    code = 0
    for label, on, limit in (
        (IDENTITY, steps[0], LIMIT),
        (METRICS, named[IDENTITY], METRICS_LIMIT),
    ):
        ways = (f"{number} clients" for number in CLIENTS)
        most = max(statistics.median(shares(named[label], on, steps[0], way)) for way in ways)
        print(f"\n{label}, served: {most:.2f}, at most {limit}")
        code = max(code, int(most > limit))
    return code


@contextlib.contextmanager
def collector() -> Iterator[str]:
    """A process that takes spans and forgets them."""
    command = [sys.executable, "-c", COLLECTOR]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        yield f"http://127.0.0.1:{process.stdout.readline().strip()}"
        process.kill()


def main() -> int:
    """Bring up the project's own database, and measure."""
    with with_database(command_settings()) as settings, tempfile.TemporaryFile("w") as log:
        migrations.upgrade(settings)
        with contextlib.redirect_stdout(log):
            project = create_app(settings)
        # As in each process of `app serve`.
        gc.freeze()
        gc.set_threshold(asgi.GC_THRESHOLD)
        with asyncio.Runner(loop_factory=new_loop) as runner:
            return runner.run(run(project, log))


if __name__ == "__main__":
    raise SystemExit(main())
