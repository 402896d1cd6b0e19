"""Whatever clients do, connections and places in the database's queue are given back."""

from __future__ import annotations

import json
import os
import socket
import time
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from tests.outside.clients import SENDERS, UPGRADE, converse
from tests.outside.serving import PERSON, Databases, Served, make_person, served
from tests.projects import Project

# What the server allows a client that is late, with the time between its looks, and then some.
GIVE_UP_SECONDS = 90.0
CLIENTS_OF_A_KIND = 3
PLACES = 2
GROWTH_MIB = 48


@pytest.fixture(scope="module")
def server(
    full: Project, postgres: Databases, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Served]:
    log = tmp_path_factory.mktemp("clients") / "log"
    database_url = postgres.create()
    with served(full, database_url, log, DATABASE_POOL_SIZE=str(PLACES)) as running:
        make_person(full, database_url)
        yield running


def address(server: Served) -> tuple[str, int]:
    host, port = server.url.removeprefix("http://").split(":")
    return host, int(port)


def call(
    server: Served, method: str, path: str, body: object = None, token: str = "", **headers: str
) -> Any:
    """Call the API and return what it answers."""
    request = urllib.request.Request(
        f"{server.url}/api/v1{path}",
        method=method,
        data=None if body is None else json.dumps(body).encode(),
        headers={
            "Content-Type": "application/json",
            **({"Authorization": f"Bearer {token}"} if token else {}),
            **headers,
        },
    )
    with urllib.request.urlopen(request, timeout=30) as answer:
        return json.load(answer)


def memory_mib(server: Served) -> float:
    """Return what the server's process has in memory."""
    pages = int(Path(f"/proc/{server.process.pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1_048_576


def connections(server: Served) -> int:
    """Return how many connections the server's process has open, the database's aside."""
    mine = f":{address(server)[1]:04X}"
    rows = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    return sum(row[1].endswith(mine) and row[3] == "01" for row in rows)


def member(server: Served) -> str:
    """Return an access token."""
    token: str = call(server, "POST", "/auth/login", PERSON)["access_token"]
    return token


def all_places_are_free(server: Served, token: str) -> None:
    """Ask for more at once than there are connections to the database."""
    with ThreadPoolExecutor(PLACES * 4) as pool:
        list(pool.map(lambda _: call(server, "GET", "/items", token=token), range(PLACES * 8)))


def test_every_client_that_does_not_end_is_ended(server: Served) -> None:
    token = member(server)
    all_places_are_free(server, token)
    before = memory_mib(server)

    with ThreadPoolExecutor(len(SENDERS) * CLIENTS_OF_A_KIND) as pool:
        running = {
            (kind, number): pool.submit(converse, address(server), send(), GIVE_UP_SECONDS)
            for kind, (send, _) in SENDERS.items()
            for number in range(CLIENTS_OF_A_KIND)
        }
        # Meanwhile, others are served.
        all_places_are_free(server, token)
        ended = {each: future.exception() or future.result() for each, future in running.items()}

    wrong = {}
    for (kind, number), found in ended.items():
        status = SENDERS[kind][1]
        if isinstance(found, BaseException):
            wrong[kind, number] = repr(found)
        elif status is None:
            if found[0]:
                wrong[kind, number] = repr(found[0][:200])
        elif found[0] and not found[0].startswith(b"HTTP/1.1 %d " % status):
            wrong[kind, number] = repr(found[0][:200])
    assert not wrong
    all_places_are_free(server, token)
    assert memory_mib(server) - before < GROWTH_MIB


def test_an_answer_that_is_not_read_is_given_up(server: Served) -> None:
    before = memory_mib(server)
    asked = b"GET /openapi.json HTTP/1.1\r\nHost: localhost\r\n\r\n" * 500
    with ExitStack() as stack:
        silent = [
            stack.enter_context(socket.create_connection(address(server), timeout=1))
            for _ in range(8)
        ]
        for each in silent:
            each.sendall(asked)
        assert connections(server) >= len(silent)
        give_up = time.monotonic() + GIVE_UP_SECONDS
        while connections(server):
            assert time.monotonic() < give_up, "the server still waits for clients that do not read"
            time.sleep(0.5)
        assert memory_mib(server) - before < GROWTH_MIB


def test_a_client_that_hangs_up_gives_its_place_back(server: Served) -> None:
    token = member(server)
    item = call(server, "POST", "/items", {"sku": "W-1", "name": "wanted"}, token)
    asks = {
        "read": f"GET /api/v1/items/{item['id']} HTTP/1.1",
        "list": "GET /api/v1/items HTTP/1.1",
        "create": "POST /api/v1/items HTTP/1.1",
    }
    for ask in asks.values():
        for _ in range(PLACES * 8):
            body = b'{"sku": "A-1", "name": "again"}' if ask.startswith("POST") else b""
            with socket.create_connection(address(server), timeout=10) as connection:
                connection.sendall(
                    f"{ask}\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\n"
                    f"Content-Type: application/json\r\n"
                    f"Content-Length: {len(body)}\r\n\r\n".encode()
                    + body
                )
                # A reset instead of an end, in the middle of what the server does.
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")

    all_places_are_free(server, token)
    with socket.create_connection(address(server), timeout=10) as connection:
        connection.sendall(UPGRADE)
        assert connection.recv(65_536).startswith(b"HTTP/1.1 403")
    all_places_are_free(server, token)
