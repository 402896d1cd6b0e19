"""The test run's own databases: a migrated template, and clones of it that cost some 10 ms each."""

import asyncio
import os
import secrets
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any, NamedTuple

import asyncpg
from sqlalchemy.engine import make_url

from app.cli import migrations
from app.core.config.database import parse_database_url
from devtools.embedded_postgres import embedded_postgres
from tests.factories import make_settings

# Names a server to test on, whose role may create databases. Databases that are there already are not touched.
_VARIABLE = "TEST_DATABASE_URL"
# Linux keeps files in memory there: to copy a database, which has 300 files, takes a fifth of the time.
_MEMORY = Path("/dev/shm")  # noqa: S108 — the run's folder in it has a random name, and is its user's alone
_MEMORY_BYTES = 2**30
_PREFIX = "test-postgres-"


async def connect(url: str) -> asyncpg.Connection:
    """A connection past the application."""
    return await asyncpg.connect(url.replace("+asyncpg", ""))


def execute(url: str, statement: str) -> list[Any]:
    """The rows that a statement returns, in a transaction that commits."""

    async def work() -> list[Any]:
        connection = await connect(url)
        try:
            return list(await connection.fetch(statement))
        finally:
            await connection.close()

    return asyncio.run(work())


class DatabaseServer(NamedTuple):
    """A server, and the names that belong to this run on it."""

    address: str
    run: str

    def url(self, label: str) -> str:
        """Return the address of this run's database of that label."""
        return make_url(self.address).set(database=f"test_{self.run}_{label}").render_as_string(hide_password=False)

    @contextmanager
    def database(self, label: str, *, template: str = "template0") -> Iterator[str]:
        """A database of one's own for as long as the context lasts, empty or like the template.

        Copying files is faster than writing every page to the log, and safe on an idle template.
        """
        name = f"test_{self.run}_{label}"
        execute(self.address, f'CREATE DATABASE "{name}" TEMPLATE "{template}" STRATEGY file_copy')
        try:
            yield self.url(label)
        finally:
            execute(self.address, f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')

    @contextmanager
    def clone(self, label: str) -> Iterator[str]:
        """A database of one's own, migrated and empty."""
        with self.database(label, template=f"test_{self.run}_template") as url:
            yield url

    def disconnect(self, name: str) -> None:
        """End every connection to a database, as a restart of the server would, and wait until they have ended."""
        execute(self.address, f"SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE datname = '{name}'")


@contextmanager
def running_server() -> Iterator[DatabaseServer]:
    """A server with a migrated template for this run: the one `TEST_DATABASE_URL` names, else an embedded one."""
    with ExitStack() as resources:
        if configured := os.environ.get(_VARIABLE):
            address = parse_database_url(configured).url.render_as_string(hide_password=False)
        else:
            folder = resources.enter_context(tempfile.TemporaryDirectory(prefix=_PREFIX, dir=_memory()))
            address = resources.enter_context(embedded_postgres(Path(folder), durable=False)).url
        server = DatabaseServer(address, secrets.token_hex(4))
        migrations.upgrade(make_settings(database_url=resources.enter_context(server.database("template"))))
        # Extensions have workers that would connect in the midst of a copy.
        execute(address, f'ALTER DATABASE "test_{server.run}_template" ALLOW_CONNECTIONS false')
        yield server


def _memory() -> Path | None:
    """Return the folder of files in memory where it has room for a server, without what killed runs left in it."""
    if not _MEMORY.is_dir():
        return None
    for left in _MEMORY.glob(f"{_PREFIX}*"):
        with suppress(FileNotFoundError):  # another run that ends
            if time.time() - left.stat().st_mtime > 86_400:
                shutil.rmtree(left, ignore_errors=True)
    return _MEMORY if shutil.disk_usage(_MEMORY).free > _MEMORY_BYTES else None
