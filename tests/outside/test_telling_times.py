"""The time and the text of an answer tell no caller if there is an account."""

from __future__ import annotations

import http.client
import json
import math
import random
import time
from ipaddress import IPv4Address
from pathlib import Path
from urllib.parse import urlsplit
from uuid import uuid4

import pytest

from tests.outside.serving import PERSON, Databases, Served, make_person, served
from tests.projects import Project

TRIES = 200
# The standard deviation of the area under the curve where nothing tells (Mann and Whitney, 1947).
NOISE = math.sqrt((TRIES + 1) / (12 * (TRIES / 2) ** 2))
LIMIT = 3 * NOISE
ADDRESSES = [f"known-{number}@example.com" for number in range(TRIES // 2)]
# Users like the one that a command has made.
USERS = """
import asyncio, json, sys
import asyncpg

async def main(url, addresses):
    connection = await asyncpg.connect(url.replace("+asyncpg", ""))
    await connection.execute(
        "INSERT INTO users (id, email, password_hash) "
        "SELECT gen_random_uuid(), address, password_hash FROM users, unnest($1::text[]) address",
        json.loads(addresses),
    )
    await connection.close()

asyncio.run(main(*sys.argv[1:]))
"""


@pytest.mark.long
def test_neither_time_nor_text_tells_a_known_address_from_an_unknown_one(
    full: Project, postgres: Databases, tmp_path: Path
) -> None:
    url = postgres.create()
    with served(full, url, tmp_path / "log") as server:
        make_person(full, url)
        full.tool("python", "-c", USERS, url, json.dumps(ADDRESSES)).must_succeed()
        for path in ("register", "verify/resend", "reset", "login"):
            # What tells, tells each time; chance hardly does so three times.
            areas = [area(server, path)]
            while abs(areas[-1] - 0.5) > LIMIT and len(areas) < 3:
                areas.append(area(server, path))
            print(f"{path}: {areas}, within {LIMIT:.3f} of 0.5")
            assert abs(areas[-1] - 0.5) <= LIMIT, (path, areas)


def area(server: Served, path: str) -> float:
    """Return how often a known address takes longer than an unknown one; 0.5 tells nothing."""
    strangers = [f"unknown-{uuid4()}@example.com" for _ in ADDRESSES]
    tries = [(address, address in ADDRESSES) for address in ADDRESSES + strangers]
    random.shuffle(tries)
    connection = http.client.HTTPConnection(urlsplit(server.url).netloc, timeout=60)
    times: dict[bool, list[float]] = {True: [], False: []}
    texts = set()
    for address, known in [("warming-up@example.com", None), *tries]:
        seconds, text = ask(connection, path, address)
        if known is not None:
            times[known].append(seconds)
            texts.add(text)
    connection.close()
    assert len(texts) == 1, texts
    longer = sum(
        (one > other) + (one == other) / 2 for one in times[True] for other in times[False]
    )
    return longer / (len(times[True]) * len(times[False]))


def ask(connection: http.client.HTTPConnection, path: str, address: str) -> tuple[float, str]:
    """Return the seconds that an answer takes, and all of it that could tell anything."""
    # A wrong password, or a registration's.
    password = {"password": f"not {PERSON['password']}"} if path in {"register", "login"} else {}
    # From a place of its own, for which nothing has been counted.
    place = str(IPv4Address(uuid4().int & 0xFFFF_FFFF))
    headers = {"Content-Type": "application/json", "X-Forwarded-For": place}
    body = json.dumps({"email": address, **password})
    began = time.perf_counter()
    connection.request("POST", f"/api/v1/auth/{path}", body, headers)
    answer = connection.getresponse()
    said = json.load(answer)
    seconds = time.perf_counter() - began
    said.pop("request_id", None)
    kept = [
        (name, value)
        for name, value in answer.getheaders()
        if name.lower() not in {"date", "x-request-id"}
    ]
    return seconds, f"{answer.status} {said} {kept}"
