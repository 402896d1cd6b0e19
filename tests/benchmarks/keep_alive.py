"""A client that costs the measured server nothing: it runs in a process of its own.

It reads orders from standard input, one a line: port, number of connections, number of requests,
and what to send as the Authorization header. It sends the requests over connections that it keeps,
one under way on each, and answers each order with a line.
"""

from __future__ import annotations

import socket
import sys
from functools import cache

# What is asked for, each time.
PATH = "/things/018f7b7e-1111-7222-8333-444455556666"


@cache
def connections(port: int, number: int) -> list[socket.socket]:
    """Return this many connections to a port; the same ones each time."""
    return [socket.create_connection(("127.0.0.1", port), timeout=30) for _ in range(number)]


def read_answer(connection: socket.socket) -> None:
    """Read a whole answer.

    Raises:
        SystemExit: It is not a success.
    """
    answer = b""
    while b"\r\n\r\n" not in answer:
        answer += _receive(connection)
    head, _, body = answer.partition(b"\r\n\r\n")
    if not head.startswith(b"HTTP/1.1 200 "):
        raise SystemExit(f"the server answered {answer[:300]!r}")
    length = int(head.lower().partition(b"content-length: ")[2].split(b"\r\n")[0])
    while len(body) < length:
        body += _receive(connection)


def _receive(connection: socket.socket) -> bytes:
    received = connection.recv(65536)
    if not received:
        raise SystemExit("the server closed the connection")
    return received


def main() -> None:
    """Follow orders until there are no more."""
    for order in sys.stdin:
        port, number, requests, authorization = order.split(maxsplit=3)
        request = (
            f"GET {PATH} HTTP/1.1\r\nHost: 127.0.0.1\r\nAccept: */*\r\nUser-Agent: benchmark\r\n"
            f"Authorization: {authorization.strip()}\r\n\r\n"
        ).encode()
        opened = connections(int(port), int(number))
        for _ in range(int(requests) // len(opened)):
            for connection in opened:
                connection.sendall(request)
            for connection in opened:
                read_answer(connection)
        print("done", flush=True)


if __name__ == "__main__":
    main()
