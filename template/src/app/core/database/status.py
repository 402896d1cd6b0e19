"""The state of the database: for health checks, `app doctor` and dashboards."""

import time
from typing import Final, NamedTuple

from sqlalchemy import bindparam, column, exists, select, table, text
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from app.core.database.database import Database, get_database
from app.core.database.engine import session_settings
from app.core.database.sessions import ReadSession
from app.core.database.statements import Statement
from app.core.exceptions import ConfigurationError, DatabaseConnectionError, DatabaseException

_HAS_EXTENSION: Final = Statement(
    select(exists().select_from(table("pg_extension")).where(column("extname") == bindparam("name"))), bool
)


class DatabaseHealth(NamedTuple):
    """The database's answer to a question, and the time it took."""

    healthy: bool
    latency_ms: float


class DatabaseStats(NamedTuple):
    """The connections for changes and for reading at this moment."""

    size: int
    in_use: int
    idle: int
    overflow: int


class ConnectionInfo(NamedTuple):
    """The place of the database; there is no password in it."""

    host: str
    port: int | None
    database: str
    user: str
    ssl_mode: str


async def test_database_connection() -> None:
    """Ask whether the database takes changes, in one round trip on a connection apart from those of requests.

    A disk that is full is known from the statements that fail on it. From then on something is written and rolled back
    here until there is room: ordinarily, nothing is.

    Raises:
        DatabaseException: The server cannot be reached, refuses, takes too long, or takes no changes.
    """
    database = get_database()
    try:
        async with database.probes.connect() as connection:
            # On: a standby, or what providers switch on where a disk is nearly full (default_transaction_read_only).
            if await connection.scalar(text("SELECT current_setting('transaction_read_only')::bool")):
                raise DatabaseConnectionError("The database takes no changes: it is read-only.")
            if database.writing.disk_full:
                await connection.execute(text("CREATE TEMPORARY TABLE room_for_a_page AS SELECT 1 AS page"))
                await connection.rollback()
                database.writing.disk_full = False
    except PoolTimeoutError as err:
        raise DatabaseConnectionError("The database is busy: no connection became free in time.") from err


async def check_session_settings(database: Database) -> None:
    """Fail unless transactions run under the settings they were given, which something in between may have dropped.

    Raises:
        ConfigurationError: They do not.
        DatabaseException: The server cannot be reached.
    """
    limits = session_settings(database.settings)
    reading = limits | {"default_transaction_read_only": "on"}
    for engine, wanted in ((database.writing.engine, limits), (database.reading.engine, reading)):
        async with engine.connect() as connection:
            rows = await connection.execute(
                text("SELECT lower(name), setting FROM pg_settings WHERE lower(name) = ANY(:names)"),
                {"names": list(wanted)},
            )
            found = {name: str(setting) for name, setting in rows}
        different = [
            f"{name} is {found.get(name)} instead of {it}" for name, it in wanted.items() if found.get(name) != it
        ]
        if different:
            raise ConfigurationError(
                f"The database does not keep to the limits of this application: {', '.join(different)}.",
                next_step="If there is a pooler in between, set DATABASE_POOLER=transaction, and do not let it ignore "
                "start-up parameters.",
            )


# Its name is prescribed and begins like a test's; pytest must not collect it where it is imported.
test_database_connection.__test__ = False  # type: ignore[attr-defined]


async def check_database_health() -> DatabaseHealth:
    """Return the success of a round trip, and the milliseconds it took. Raises nothing."""
    began = time.perf_counter()
    try:
        await test_database_connection()
    except DatabaseException:
        healthy = False
    else:
        healthy = True
    return DatabaseHealth(healthy=healthy, latency_ms=round((time.perf_counter() - began) * 1000, 3))


def get_database_stats() -> DatabaseStats:
    """Return the use of both pools, which asks no server."""
    database = get_database()
    return DatabaseStats(*map(sum, zip(database.writing.usage(), database.reading.usage(), strict=True)))


def get_connection_info() -> ConnectionInfo:
    """Return the place that the process's engine connects to."""
    database = get_database()
    url = database.engine.url
    return ConnectionInfo(
        host=url.host or str(url.query.get("host", "")),
        port=url.port,
        database=url.database or "",
        user=url.username or "",
        ssl_mode=database.settings.address.ssl_mode,
    )


async def has_extension(session: ReadSession, name: str) -> bool:
    """Return True if an extension is installed in this database.

    Asked once per process and extension: installing one later is noticed after a restart.
    """
    known = get_database().extensions
    if name not in known:
        known[name] = await session.one(_HAS_EXTENSION, name=name)
    return known[name]
