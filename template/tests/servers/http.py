"""A real HTTP server on a real socket that misbehaves as told, and counts what it was asked."""

import asyncio
import socket
import ssl
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

HOST = "127.0.0.1"


@dataclass(frozen=True)
class Received:
    """A request as it arrived; the names of its headers in lower case."""

    method: str
    target: str
    headers: dict[str, str]
    body: bytes


Answer = Callable[[asyncio.StreamWriter], Awaitable[None]]


@dataclass
class FaultyServer:
    """Answers the nth request with the nth answer, and all further ones with the last."""

    answers: tuple[Answer, ...]
    scheme: str
    port: int = 0
    connections: int = 0
    requests: list[Received] = field(default_factory=list)
    _tasks: set["asyncio.Task[None]"] = field(default_factory=set)

    @property
    def url(self) -> str:
        return f"{self.scheme}://{HOST}:{self.port}"

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        self.connections += 1
        try:
            while (received := await _receive(reader)) and not writer.is_closing():
                self.requests.append(received)
                await self.answers[min(len(self.requests), len(self.answers)) - 1](writer)
        except (OSError, asyncio.CancelledError):
            # The client went away, or the test is over.
            pass
        finally:
            self._tasks.discard(task)
            writer.close()

    async def stop(self) -> None:
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


@asynccontextmanager
async def faulty_server(*answers: Answer, tls: ssl.SSLContext | None = None) -> AsyncIterator[FaultyServer]:
    """A server for as long as the context lasts."""
    faulty = FaultyServer(answers=answers, scheme="https" if tls else "http")
    # A client that keeps its connection does not say good-bye to a server that closes; asyncio would wait 30 s for it.
    server = await asyncio.start_server(faulty.serve, HOST, ssl=tls, ssl_shutdown_timeout=0.01 if tls else None)
    faulty.port = server.sockets[0].getsockname()[1]
    try:
        yield faulty
    finally:
        await _let_connections_arrive(server)
        server.close()
        await faulty.stop()
        await server.wait_closed()


async def _let_connections_arrive(server: asyncio.Server) -> None:
    """Accept nothing more, and see what was accepted served.

    A server that is closed in between leaves the connection open for good (CPython's issue 109564). A client does that
    whose patience ends while it connects.
    """
    for listening in server.sockets:
        asyncio.get_running_loop().remove_reader(listening.fileno())
    # Accepted, made a transport, made a stream, served: a turn of the loop each.
    for _ in range(3):
        await asyncio.sleep(0)


def unused_url() -> str:
    """Return an address at which no server listens."""
    with socket.socket() as free:
        free.bind((HOST, 0))
        return f"http://{HOST}:{free.getsockname()[1]}"


def reply(status: int = 200, body: bytes = b"", **headers: str) -> Answer:
    """A well-formed answer; `Retry_After="1"` is the header Retry-After."""
    lines = [f"{name.replace('_', '-')}: {value}\r\n" for name, value in headers.items()]
    return raw(f"HTTP/1.1 {status} x\r\nContent-Length: {len(body)}\r\n{''.join(lines)}\r\n".encode() + body)


def raw(data: bytes) -> Answer:
    """Exactly these bytes; the connection stays open."""

    async def answer(writer: asyncio.StreamWriter) -> None:
        writer.write(data)
        await writer.drain()

    return answer


def then_close(data: bytes) -> Answer:
    """These bytes, and the end of the connection."""

    async def answer(writer: asyncio.StreamWriter) -> None:
        await raw(data)(writer)
        writer.close()

    return answer


def then_reset(data: bytes) -> Answer:
    """These bytes, and a TCP reset, as from a process that was killed."""

    async def answer(writer: asyncio.StreamWriter) -> None:
        await raw(data)(writer)
        await asyncio.sleep(0.01)
        # Lingering for no time at all makes the close a reset.
        writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        writer.transport.abort()

    return answer


def hang() -> Answer:
    """Nothing, for ever."""

    async def answer(_writer: asyncio.StreamWriter) -> None:
        await asyncio.Event().wait()

    return answer


def repeat(head: bytes, chunk: bytes, *, every_seconds: float = 0) -> Answer:
    """A body that never ends."""

    async def answer(writer: asyncio.StreamWriter) -> None:
        writer.write(head)
        while not writer.is_closing():
            writer.write(chunk)
            await writer.drain()
            await asyncio.sleep(every_seconds)

    return answer


async def _receive(reader: asyncio.StreamReader) -> Received | None:
    try:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        first, *lines = head.rstrip().split("\r\n")
        headers: dict[str, str] = {}
        for name, _, value in (line.partition(":") for line in lines):
            # One that came twice is seen as such.
            headers[name.lower()] = ", ".join(filter(None, (headers.get(name.lower()), value.strip())))
        body = await reader.readexactly(int(headers.get("content-length", "0")))
    except (asyncio.IncompleteReadError, asyncio.LimitOverrunError):
        return None
    method, target, _ = first.split(" ", 2)
    return Received(method, target, headers, body)
