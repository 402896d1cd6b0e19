"""A client that costs the measured server nothing: it runs in a process of its own.

It reads orders from standard input, a JSON object a line (see `Order`), and keeps one request under
way on each of its connections, which stay open. Each order is answered with a line: the
99th percentile of the answers' times, in milliseconds.
"""

from __future__ import annotations

import itertools
import json
import selectors
import socket
import sys
import time
from functools import cache
from typing import TypedDict

# What is asked for, unless the order says otherwise.
PATH = "/things/018f7b7e-1111-7222-8333-444455556666"
# Stands in a body for a number that no other request has.
NUMBER = "NUMBER"

_numbers = itertools.count(1)


class Order(TypedDict, total=False):
    """The arguments: a port, how many clients and requests; then the request."""

    port: int
    clients: int
    requests: int
    authorization: str
    method: str
    path: str
    body: str


@cache
def connections(port: int, number: int) -> list[socket.socket]:
    """Return this many connections to a port; the same ones each time."""
    return [socket.create_connection(("127.0.0.1", port), timeout=30) for _ in range(number)]


def request_of(order: Order) -> bytes:
    """Return the bytes of one request."""
    body = order.get("body", "").replace(NUMBER, str(next(_numbers)))
    content = f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n" if body else ""
    return (
        f"{order.get('method', 'GET')} {order.get('path', PATH)} HTTP/1.1\r\nHost: 127.0.0.1\r\n"
        f"Accept: */*\r\nUser-Agent: benchmark\r\nAuthorization: {order['authorization']}\r\n"
        f"{content}\r\n{body}"
    ).encode()


def is_whole(answer: bytes) -> bool:
    """Return True if an answer has arrived to its end.

    Raises:
        SystemExit: It is not a success.
    """
    head, end, body = answer.partition(b"\r\n\r\n")
    if not end:
        return False
    if not head.startswith(b"HTTP/1.1 20"):
        raise SystemExit(f"the server answered {answer[-900:]!r}")
    return len(body) == int(head.lower().partition(b"content-length: ")[2].split(b"\r\n")[0])


def follow(order: Order) -> float:
    """Send the requests, and return the 99th percentile of the answers' times in milliseconds."""
    times: list[float] = []
    left = order["requests"]
    with selectors.DefaultSelector() as selector:
        for connection in connections(order["port"], order["clients"]):
            connection.sendall(request_of(order))
            selector.register(connection, selectors.EVENT_READ, [time.perf_counter(), b""])
            left -= 1
        while len(times) < order["requests"]:
            for key, _ in selector.select():
                assert isinstance(key.fileobj, socket.socket)
                received = key.fileobj.recv(65536)
                if not received:
                    raise SystemExit("the server closed the connection")
                key.data[1] += received
                if not is_whole(key.data[1]):
                    continue
                times.append(time.perf_counter() - key.data[0])
                if left > 0:
                    left -= 1
                    key.data[:] = [time.perf_counter(), b""]
                    key.fileobj.sendall(request_of(order))
    return sorted(times)[len(times) * 99 // 100] * 1000


def main() -> None:
    """Follow orders until there are no more."""
    for line in sys.stdin:
        print(follow(json.loads(line)), flush=True)


if __name__ == "__main__":
    main()
