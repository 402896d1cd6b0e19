"""The pages of one owner's 900,000 items, all of which cost the same."""

from __future__ import annotations

import http.client
import json
import statistics
import time
import urllib.request
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urlsplit

import pytest

from tests.outside.serving import PERSON, Databases, Served, make_person, served
from tests.projects import Project

ITEMS = 900_000
PAGE = 50
ROUNDS = 200
AT_MOST = 1.5
FILL = """
import asyncio, sys
import asyncpg

async def main(url, rows):
    connection = await asyncpg.connect(url.replace("+asyncpg", ""))
    await connection.execute(
        "INSERT INTO items (id, owner_id, sku, name) "
        "SELECT lpad(to_hex(n), 32, '0')::uuid, users.id, 'SKU-' || n, 'Item ' || n "
        f"FROM users, generate_series(1, {rows}) AS n"
    )
    await connection.execute("VACUUM ANALYZE items")
    await connection.close()

asyncio.run(main(*sys.argv[1:]))
"""


def log_in(server: Served) -> str:
    """Return the access token of a new session."""
    request = urllib.request.Request(
        f"{server.url}/api/v1/auth/login",
        data=json.dumps(PERSON).encode(),
        headers={"Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=60) as answer:
        return str(json.load(answer)["access_token"])


@dataclass
class Lister:
    """Asks for pages of items, all on one connection."""

    connection: http.client.HTTPConnection
    token: str

    def page(self, cursor: str = "") -> tuple[dict[str, Any], float]:
        """Return a page, and the seconds until it was there."""
        query = urlencode({"limit": PAGE} | ({"cursor": cursor} if cursor else {}))
        headers = {"Authorization": f"Bearer {self.token}"}
        began = time.perf_counter()
        self.connection.request("GET", f"/api/v1/items?{query}", headers=headers)
        answer = self.connection.getresponse()
        content = answer.read()
        took = time.perf_counter() - began
        assert answer.status == 200, content
        return json.loads(content), took


@pytest.mark.long
def test_the_last_page_of_a_long_list_costs_what_the_first_does(
    full: Project, postgres: Databases, tmp_path: Path
) -> None:
    url = postgres.create()
    with (
        served(full, url, tmp_path / "log") as server,
        closing(http.client.HTTPConnection(urlsplit(server.url).netloc, timeout=60)) as connection,
    ):
        make_person(full, url)
        token = log_in(server)
        python = str(full.venv / "bin" / "python")
        full.run(python, "-c", FILL, url, str(ITEMS), timeout=600).must_succeed()
        lister = Lister(connection, token)
        first_page, _ = lister.page()
        last = f"00000000-0000-0000-0000-{PAGE + 1:012x}"
        last_page, _ = lister.page(last)
        assert first_page["items"][0]["sku"] == f"SKU-{ITEMS}"
        assert last_page["items"][-1]["sku"] == "SKU-1"
        assert len(last_page["items"]) == len(first_page["items"]) == PAGE
        assert last_page["next_cursor"] is None

        # In turns, so that whatever else the machine does falls on both.
        times = [(lister.page()[1], lister.page(last)[1]) for _ in range(ROUNDS)]

    first, behind = (statistics.median(column) for column in zip(*times, strict=True))
    assert behind <= AT_MOST * first, f"{behind * 1000:.2f} ms after {first * 1000:.2f} ms"
