"""The test run's own databases: a migrated template, and clones of it that cost some 10 ms each."""

import asyncio
import os
import secrets
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import asyncpg
from sqlalchemy.engine import URL, make_url

from app.core.config.database_url import parse_database_url
from devtools.embedded_postgres import embedded_postgres

# Names a server to test on, whose role may create databases. Databases that are there already are not touched.
_VARIABLE = "TEST_DATABASE_URL"


class DatabaseServer(NamedTuple):
    """A server, and the names that belong to this run on it."""

    address: str
    run: str

    @property
    def template(self) -> str:
        """The database with all migrations applied."""
        return f"test_{self.run}_template"

    def url(self, database: str) -> URL:
        """Return the address of a database of this server."""
        return make_url(self.address).set(database=database)

    def create(self, name: str, *, template: str = "template0") -> URL:
        """A new database. Copying files is faster than writing every page to the log, and safe on an idle template."""
        self._execute(f'CREATE DATABASE "{name}" TEMPLATE "{template}" STRATEGY file_copy')
        return self.url(name)

    def seal_template(self) -> None:
        """Refuse connections to the template: extensions have workers that would connect in the midst of a copy."""
        self._execute(f'ALTER DATABASE "{self.template}" ALLOW_CONNECTIONS false')

    def disconnect(self, name: str) -> None:
        """End every connection to a database, as a restart of the server would, and wait until they have ended."""
        self._execute(f"SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE datname = '{name}'")

    def drop(self, name: str) -> None:
        """Remove a database with the connections there still are to it."""
        self._execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')

    @contextmanager
    def clone(self, label: str) -> Iterator[str]:
        """A database of one's own for as long as the context lasts, migrated and empty."""
        name = f"test_{self.run}_{label}"
        url = self.create(name, template=self.template)
        try:
            yield url.render_as_string(hide_password=False)
        finally:
            self.drop(name)

    def _execute(self, statement: str) -> None:
        url = make_url(self.address)

        async def run() -> None:
            connection = await asyncpg.connect(
                host=url.host or url.query.get("host"),
                port=int(url.port or str(url.query.get("port", 5432))),
                user=url.username,
                password=url.password,
                database=url.database,
            )
            try:
                await connection.execute(statement)
            finally:
                await connection.close()

        asyncio.run(run())


@contextmanager
def running_server() -> Iterator[DatabaseServer]:
    """A server for this run with an empty template: the one `TEST_DATABASE_URL` names, else an embedded one."""
    run = secrets.token_hex(4)
    if configured := os.environ.get(_VARIABLE):
        server = DatabaseServer(parse_database_url(configured).url.render_as_string(hide_password=False), run)
        server.create(server.template)
        try:
            yield server
        finally:
            server.drop(server.template)
        return
    with (
        tempfile.TemporaryDirectory(prefix="test-postgres-") as folder,
        embedded_postgres(Path(folder), durable=False) as embedded,
    ):
        server = DatabaseServer(embedded.url, run)
        server.create(server.template)
        yield server
