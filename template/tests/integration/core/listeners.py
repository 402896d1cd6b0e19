"""Servers that are no PostgreSQL, or no longer answer like one."""

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

# What a client sends first when it wants encryption (documentation, 54.7, SSLRequest).
SSL_REQUEST = b"\x00\x00\x00\x08\x04\xd2\x16\x2f"


@contextmanager
def closed_port() -> Iterator[int]:
    """A port without a listener, kept for as long as the context lasts."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield taken.getsockname()[1]


@contextmanager
def listener(answer: Callable[[bytes], bytes | None]) -> Iterator[tuple[int, list[bytes]]]:
    """A port whose server answers each message by a rule, and what it has been sent. None hangs up."""
    received: list[bytes] = []

    def serve(server: socket.socket) -> None:
        with suppress(OSError):
            while True:
                connection, _ = server.accept()
                threading.Thread(target=converse, args=(connection,), daemon=True).start()

    def converse(connection: socket.socket) -> None:
        with suppress(OSError), connection:
            while message := connection.recv(65536):
                received.append(message)
                reply = answer(message)
                if reply is None:
                    break
                connection.sendall(reply)

    with socket.create_server(("127.0.0.1", 0)) as server:
        threading.Thread(target=serve, args=(server,), daemon=True).start()
        yield server.getsockname()[1], received
        server.shutdown(socket.SHUT_RDWR)
