"""The extension: its state in a server and a database, its creation, and a step of setting up."""

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final, NamedTuple

from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncSession

from app.core.exceptions import ConfigurationError

# Columnstore names in place of compression, and `by_range` (2.13). Older ones are not tested.
_OLDEST: Final = (2, 18)
# Its own setting tells whether the library is loaded: any role may read it, shared_preload_libraries superusers only.
# What a configuration file says of a library that is not loaded is known as text, whatever it looks like.
_STATE: Final = text(
    "SELECT (SELECT default_version FROM pg_available_extensions WHERE name = 'timescaledb') AS available, "
    "(SELECT extversion FROM pg_extension WHERE extname = 'timescaledb') AS created, "
    "EXISTS (SELECT FROM pg_settings WHERE name = 'timescaledb.max_background_workers' AND vartype = 'integer') "
    "AS loaded"
)


class Extension(NamedTuple):
    """The extension as a server, and one database of it, have it.

    Attributes:
        available: The version that the server would create; None without its files.
        created: The version that is in this database; None where it is not.
        loaded: True if the server loads it when it starts.
    """

    available: str | None
    created: str | None
    loaded: bool

    def require_loaded(self) -> None:
        """Raise ConfigurationError where creating or using the extension would end the connection."""
        if not self.loaded:
            raise ConfigurationError(
                "The database server has TimescaleDB, but does not load it when it starts.",
                next_step="Add timescaledb to shared_preload_libraries in its postgresql.conf, and restart it.",
            )

    def require_usable(self) -> None:
        """Raise ConfigurationError where the extension is missing, not loaded or too old."""
        version = self.created or self.available
        if version is None:
            raise ConfigurationError(
                "The database server has no TimescaleDB.",
                next_step="Install it there, name a server that has it, or set TIMESCALE_ENABLED=false to use plain "
                "tables.",
            )
        self.require_loaded()
        # The first two numbers of a version such as 2.28.3, 2.27.0-p0 or 2.29.0-dev.
        if tuple(int(number) for number in re.findall(r"\d+", version)[:2]) < _OLDEST:
            raise ConfigurationError(
                f"TimescaleDB {version} is older than {'.'.join(map(str, _OLDEST))}, which this application needs.",
                next_step="Install a newer one, restart the server, and run ALTER EXTENSION timescaledb UPDATE as the "
                "first statement of a new session.",
            )


async def find_extension(session: AsyncSession) -> Extension:
    """Return the extension's state. Nothing in here makes the server load the library, which may end the connection."""
    row = (await session.execute(_STATE)).one()
    return Extension(row.available, row.created, row.loaded)


async def create_extension(session: AsyncSession) -> list[str]:
    """Create the extension in this database unless it is there, and return what was done, in sentences.

    Raises:
        ConfigurationError: It cannot be created; the message names the next step.
    """
    async with step(session):
        found = await find_extension(session)
        found.require_usable()
        if found.created:
            return []
        await session.execute(text("CREATE EXTENSION timescaledb"))
    return [f"TimescaleDB {found.available}: created in this database"]


@asynccontextmanager
async def step(session: AsyncSession) -> AsyncIterator[None]:
    """Commit the changes of a step, or none of them.

    Raises:
        ConfigurationError: The server refused it.
    """
    try:
        async with session.begin():
            yield
    except DBAPIError as err:
        # The first line is the server's sentence; the next ones may hold data.
        reason = str((err.orig and err.orig.__cause__) or err.orig).partition("\n")[0]
        raise ConfigurationError(
            f"TimescaleDB could not be set up: {reason}.",
            next_step="Nothing of this step was applied: remove the cause, and run `app db upgrade` again as the role "
            "that owns the tables. docs/timescaledb.md says what usually stands in the way.",
        ) from err
