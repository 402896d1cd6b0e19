"""Create items without end, with 64 clients: run by a rendered project's Python.

Takes the addresses of the service and of its database. Prints a dot for each created item. Ends
with its input, by the number of items that were answered 201 and have no row, and the number of all
that were answered.
"""

from __future__ import annotations

import asyncio
import sys

import asyncpg
import httpx

CLIENTS = 64
# What they ask for together is what two workers on two cores can do beside everything else.
PAUSE_SECONDS = 0.3


async def create(client: httpx.AsyncClient, number: int, answered: set[str]) -> None:
    """Create one item after the other; a killed server costs the attempt."""
    made = 0
    while True:
        sku = f"KILL-{number}-{made}"
        made += 1
        try:
            answer = await client.post("/api/v1/items", json={"sku": sku, "name": "x"})
        except httpx.HTTPError:
            answer = None
        if answer is not None and answer.is_success:
            answered.add(sku)
            print(".", flush=True)
        await asyncio.sleep(PAUSE_SECONDS)


async def main(address: str, database_url: str) -> None:
    """Log in, create until the input ends, and look the items up."""
    answered: set[str] = set()
    limits = httpx.Limits(max_connections=CLIENTS)
    async with httpx.AsyncClient(base_url=address, timeout=10, limits=limits) as client:
        user = {"email": "ada@example.com", "password": "correct horse battery staple"}
        login = await client.post("/api/v1/auth/login", json=user)
        client.headers["Authorization"] = f"Bearer {login.json()['access_token']}"
        writing = [asyncio.create_task(create(client, n, answered)) for n in range(CLIENTS)]
        await asyncio.to_thread(sys.stdin.read)
        for task in writing:
            task.cancel()
        await asyncio.wait(writing)
    connection = await asyncpg.connect(database_url.replace("+asyncpg", ""))
    stored = {row["sku"] for row in await connection.fetch("SELECT sku FROM items")}
    await connection.close()
    print(len(answered - stored), len(answered), flush=True)


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
