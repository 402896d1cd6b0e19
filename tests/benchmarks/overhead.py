"""What middleware and dependencies add to a request, part by part, in CPU of a bare FastAPI route.

Run it with a rendered project's Python, in the project's folder. One process serves the same route
many times over, each time with one part more; a client in another process asks them in turn, so
that whatever disturbs the machine disturbs all of them. The access log goes to a file.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import os
import socket
import statistics
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Iterator, MutableMapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any
from uuid import uuid4

os.environ.update(LOG_FORMAT="json", LOG_LEVEL="INFO")

import uvicorn
from app.api.dependencies import ReadSession, UnitOfWork
from app.api.identity import Caller
from app.cli import migrations
from app.cli.settings import command_settings, with_database
from app.main import create_app
from fastapi import Depends, FastAPI, Request

ROUNDS = 15
REQUESTS = 320
CLIENTS = (1, 32)
# More than this on top of a bare route, for one client, and the project has become too expensive.
LIMIT = 0.5

IDENTITY = "identity, beyond that"

Route = Callable[..., Any]


async def measured() -> dict[str, str]:
    """The route: as little as a route can do."""
    return {"status": "ok"}


async def nothing(request: Request) -> None:
    """A dependency that only costs what FastAPI spends on calling one."""


async def with_dependency(_nothing: Annotated[None, Depends(nothing)]) -> dict[str, str]:
    """The same, with a dependency."""
    return {"status": "ok"}


async def with_caller(_caller: Caller) -> dict[str, str]:
    """The same, told who is calling."""
    return {"status": "ok"}


async def with_read_session(_caller: Caller, _session: ReadSession) -> dict[str, str]:
    """The same, with a session that it does not use."""
    return {"status": "ok"}


async def with_unit_of_work(_caller: Caller, _uow: UnitOfWork) -> dict[str, str]:
    """The same, with a transaction that it does not use."""
    return {"status": "ok"}


@dataclass
class Step:
    """An application with one part more than the step that `on` names.

    Attributes:
        label: What was added.
        app: The application.
        on: What it was added to; None for the floor.
        port: Where it is served.
        costs: Microseconds of CPU per request, a list of rounds for each way of asking.
    """

    label: str
    app: FastAPI
    on: Step | None
    port: int = 0
    costs: dict[str, list[float]] = field(default_factory=dict)


def steps_of(project: FastAPI) -> list[Step]:
    """Return the floor, the project's middleware from the inside out, and its dependencies."""
    installed: list[Any] = project.user_middleware
    steps: list[Step] = []

    def add(label: str, middleware: Sequence[Any], route: Route, on: Step | None) -> Step:
        app = FastAPI(openapi_url=None, middleware=middleware)
        app.state.process = project.state.process
        app.add_api_route("/measured", route)
        steps.append(Step(label, app, on))
        return steps[-1]

    last = add("a bare route", [], measured, None)
    for index in reversed(range(len(installed))):
        last = add(installed[index].cls.__name__, installed[index:], measured, last)
    last = add("a dependency as such", installed, with_dependency, last)
    caller = add(IDENTITY, installed, with_caller, last)
    add("read session, unused", installed, with_read_session, caller)
    add("unit of work, unused", installed, with_unit_of_work, caller)
    return steps


@contextlib.asynccontextmanager
async def served(steps: Sequence[Step]) -> AsyncIterator[None]:
    """Serve all of them from this process, each on a port of its own."""
    servers = []
    for step in steps:
        listening = socket.create_server(("127.0.0.1", 0))
        step.port = listening.getsockname()[1]
        config = uvicorn.Config(
            step.app,
            loop="uvloop",
            http="httptools",
            lifespan="off",
            log_config=None,
            access_log=False,
            server_header=False,
            timeout_keep_alive=600,
        )
        server = uvicorn.Server(config)
        # Signals are for the process; these servers end when they are told.
        servers.append((server, asyncio.create_task(server._serve(sockets=[listening]))))
    while not all(server.started for server, _ in servers):
        await asyncio.sleep(0.01)
    try:
        yield
    finally:
        for server, task in servers:
            server.should_exit = server.force_exit = True
            await task


@contextlib.asynccontextmanager
async def client() -> AsyncIterator[Callable[[str], Any]]:
    """A client in a process of its own; what is yielded gives it an order and waits."""
    program = Path(__file__).with_name("keep_alive.py")
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(sys.executable, program, stdin=pipe, stdout=pipe)
    assert process.stdin is not None
    assert process.stdout is not None
    orders, answers = process.stdin, process.stdout

    async def order(line: str) -> None:
        orders.write(f"{line}\n".encode())
        if not await answers.readline():
            raise SystemExit("the client has failed; its message is above")

    yield order
    orders.close()
    await process.wait()


async def call(step: Step, authorization: str) -> None:
    """Ask an application without a server, as one would call a function."""
    scope: dict[str, Any] = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": "GET",
        "scheme": "http",
        "path": "/measured",
        "raw_path": b"/measured",
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


async def measure(steps: Sequence[Step], authorization: str) -> None:
    """Fill in the costs, in rounds: each step has its turn, without and with a server."""

    async def in_process(step: Step) -> None:
        for _ in range(REQUESTS):
            await call(step, authorization)

    async with served(steps), client() as order:
        for turn in range(ROUNDS + 1):
            for step in steps:
                await _timed(step, "in process", in_process(step), keep=turn > 0)
                for number in CLIENTS:
                    ordered = order(f"{step.port} {number} {REQUESTS} {authorization}")
                    await _timed(step, f"{number} clients", ordered, keep=turn > 0)


async def _timed(step: Step, way: str, work: Any, *, keep: bool) -> None:
    began = time.process_time()
    await work
    spent = time.process_time() - began
    # The first round connects, imports what is imported late, and fills caches.
    if keep:
        step.costs.setdefault(way, []).append(spent / REQUESTS * 1e6)


def report(steps: Sequence[Step]) -> Iterator[str]:
    """Say what each step adds, as a share of the floor, and the range of the middle half."""
    floor = steps[0]
    ways = list(floor.costs)
    yield f"{'on top of a bare route':28}" + "".join(f"{way:>24}" for way in ways)
    bare = "".join(f"{statistics.median(floor.costs[way]):>21.1f} µs" for way in ways)
    yield f"{'its own CPU':28}{bare}"
    totals = [
        ("middleware and identity", IDENTITY),
        ("and a read session", "read session, unused"),
        ("or a unit of work", "unit of work, unused"),
    ]
    named = {step.label: step for step in steps}
    for step in steps[1:]:
        assert step.on is not None
        yield _line(step.label, step, step.on, floor)
    yield ""
    for label, name in totals:
        yield _line(label, named[name], floor, floor)


def _line(label: str, step: Step, on: Step, floor: Step) -> str:
    text = f"{label:28}"
    for way, costs in step.costs.items():
        shares = ratios(costs, on.costs[way], floor.costs[way])
        low, middle, high = statistics.quantiles(shares, n=4)
        text += f"{middle:>9.2f} ({low:.2f} to {high:.2f})"
    return text


def ratios(costs: Sequence[float], on: Sequence[float], floor: Sequence[float]) -> list[float]:
    """Return what was added in each round, as a share of that round's own floor."""
    return [(cost - before) / bare for cost, before, bare in zip(costs, on, floor, strict=True)]


async def run(project: FastAPI) -> int:
    """Measure and report; 1 when the limit is exceeded, else 0."""
    async with project.router.lifespan_context(project):
        token = project.state.process.authentication.tokens.issue(
            user_id=uuid4(), session_id=uuid4(), scopes=["users:read"]
        )
        steps = steps_of(project)
        await measure(steps, f"Bearer {token}")
    print(*report(steps), sep="\n")
    identity = next(step for step in steps if step.label == IDENTITY)
    served_by_one = f"{CLIENTS[0]} clients"
    share = statistics.median(
        ratios(identity.costs[served_by_one], *itertools.repeat(steps[0].costs[served_by_one], 2))
    )
    print(f"\nmiddleware and identity, served to one client: {share:.2f}, at most {LIMIT}")
    return int(share > LIMIT)


def main() -> int:
    """Bring up the project's own database, and measure."""
    with with_database(command_settings()) as settings, tempfile.TemporaryFile("w") as log:
        migrations.upgrade(settings)
        with contextlib.redirect_stdout(log):
            project = create_app(settings)
        with asyncio.Runner(loop_factory=_uvloop) as runner:
            return runner.run(run(project))


def _uvloop() -> asyncio.AbstractEventLoop:
    import uvloop

    loop: asyncio.AbstractEventLoop = uvloop.new_event_loop()
    return loop


if __name__ == "__main__":
    raise SystemExit(main())
