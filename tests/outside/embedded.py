"""Hold an embedded PostgreSQL for the factory's tests: run by a rendered project's Python.

Reads a name a line, makes a database of that name, and answers with its address. Ends with its
input.
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import asyncpg
from devtools.embedded_postgres import embedded_postgres
from sqlalchemy.engine import make_url


async def create_database(server_url: str, name: str) -> None:
    """Create an empty database."""
    connection = await asyncpg.connect(server_url.replace("+asyncpg", ""))
    try:
        await connection.execute(f'CREATE DATABASE "{name}"')
    finally:
        await connection.close()


def main() -> None:
    """Serve names until the input ends."""
    with embedded_postgres(Path(sys.argv[1])) as server:
        for line in sys.stdin:
            name = line.strip()
            asyncio.run(create_database(server.url, name))
            address = make_url(server.url).set(database=name)
            print(address.render_as_string(hide_password=False), flush=True)


if __name__ == "__main__":
    main()
