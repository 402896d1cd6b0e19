"""Applications served from this process, and the client that asks them."""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from pathlib import Path

import uvicorn

from tests.benchmarks.keep_alive import Order
from tests.benchmarks.layers import Step


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
async def client() -> AsyncIterator[Callable[[Order], Awaitable[float]]]:
    """A client in a process of its own; what is yielded gives it an order, and waits for it."""
    program = Path(__file__).with_name("keep_alive.py")
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(sys.executable, program, stdin=pipe, stdout=pipe)
    assert process.stdin is not None
    assert process.stdout is not None
    orders, answers = process.stdin, process.stdout

    async def order(wanted: Order) -> float:
        orders.write(f"{json.dumps(wanted)}\n".encode())
        if not (answer := await answers.readline()):
            raise SystemExit("the client has failed; its message is above")
        return float(answer)

    yield order
    orders.close()
    await process.wait()


def new_loop() -> asyncio.AbstractEventLoop:
    """Return a loop as `app serve` has it."""
    import uvloop

    loop: asyncio.AbstractEventLoop = uvloop.new_event_loop()
    return loop
