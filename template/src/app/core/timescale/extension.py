"""The extension, as a server and a database have it, and the tables that are declared to be hypertables of it."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

from sqlalchemy import MetaData, Table, text
from sqlalchemy.dialects import postgresql
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncSession

from app.core.exceptions import ConfigurationError

_KEY: Final = "hypertable"
_PREPARER: Final = postgresql.dialect().identifier_preparer  # type: ignore[no-untyped-call]
# Its own setting tells whether the library is loaded: any role may read it, shared_preload_libraries superusers only.
# What a configuration file says of a library that is not loaded is known as text, whatever it looks like.
_STATE: Final = text(
    "SELECT (SELECT default_version FROM pg_available_extensions WHERE name = 'timescaledb') AS available, "
    "(SELECT extversion FROM pg_extension WHERE extname = 'timescaledb') AS created, "
    "EXISTS (SELECT FROM pg_settings WHERE name = 'timescaledb.max_background_workers' AND vartype = 'integer') "
    "AS loaded"
)


@dataclass(frozen=True, kw_only=True)
class Hypertable:
    """A table that is declared to be one.

    Attributes:
        table: The table.
        time: The column that says to which chunk a row belongs.
        segment_by: Columns that queries name a value of: the columnstore keeps rows together that agree in them.
    """

    table: Table
    time: str
    segment_by: tuple[str, ...]

    @property
    def name(self) -> str:
        """The table's name as statements spell it."""
        return quoted_name(self.table)

    async def exists(self, session: AsyncSession) -> bool:
        """Return True once a migration has made the table."""
        return bool(await session.scalar(text("SELECT to_regclass(:name) IS NOT NULL"), {"name": self.name}))


def quoted_name(table: Table) -> str:
    """Return a table's name, with its schema where it has one, as statements spell it."""
    return _PREPARER.format_table(table)


def as_hypertable(*, time: str, segment_by: Sequence[str] = ()) -> dict[str, Any]:
    """Return the `info` of a table that is to be a hypertable.

    Args:
        time: A column of type `timestamptz`. Every unique key of the table contains it: a hypertable checks keys chunk
            by chunk.
        segment_by: Columns that the columnstore keeps rows together by.
    """
    return {_KEY: (time, tuple(segment_by))}


def declared_hypertables(metadata: MetaData) -> Sequence[Hypertable]:
    """Return the tables that are declared to be hypertables, by name."""
    return [
        Hypertable(table=table, time=table.info[_KEY][0], segment_by=table.info[_KEY][1])
        for table in metadata.sorted_tables
        if _KEY in table.info
    ]


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
        """Raise ConfigurationError where the extension is missing or not loaded."""
        if not (self.created or self.available):
            raise ConfigurationError(
                "The database server has no TimescaleDB.",
                next_step="Install it there, name a server that has it, or set TIMESCALE_ENABLED=false to use plain "
                "tables.",
            )
        self.require_loaded()


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
