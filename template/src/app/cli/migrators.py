"""Migrations on a database that others use: one migrator at a time, short waits for locks, and what a failure left."""

import asyncio
import traceback
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from alembic.migration import MigrationContext
from alembic.util import CommandError
from sqlalchemy import Connection, event, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection

from app.cli.output import err
from app.core.config import DatabaseSettings
from app.core.database import migration_engine
from app.core.exceptions import AppException, ConfigurationError, DatabaseConnectionError

# Any number that nothing else in this database uses.
MIGRATION_LOCK = 4_206_931
_POLL_SECONDS = 0.25
_HOLDER = text(
    "SELECT pid FROM pg_locks JOIN pg_database ON database = pg_database.oid WHERE datname = current_database() "
    "AND locktype = 'advisory' AND granted AND classid = 0 AND objid = :lock AND objsubid = 1"
)
_INVALID_INDEXES = text(
    "SELECT format('%I.%I', n.nspname, c.relname) FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid "
    "JOIN pg_namespace n ON n.oid = c.relnamespace WHERE NOT i.indisvalid ORDER BY 1"
)
_LOCK_NOT_AVAILABLE = "55P03"


@dataclass(slots=True)
class Progress:
    """The progress of a run of migrations, each in a transaction of its own.

    Attributes:
        partly: The migration under way has committed something before its end.
    """

    partly: bool = False
    _has_ended: bool = False

    def version_written(self, *_: object, **__: object) -> None:
        """Note that a migration has run to its end; its commit comes next."""
        self._has_ended = True

    def committed(self, *_: object) -> None:
        """Note a commit: a migration's own at its end, or one that leaves a part of it applied."""
        self.partly = not self._has_ended
        self._has_ended = False


async def migrate(settings: DatabaseSettings, run: Callable[[Connection, Progress], None]) -> None:
    """Run migrations when no other migrator does.

    The lock between migrators belongs to the session that migrates, and so outlives a killed client for exactly as
    long as the server goes on with its statement.

    Args:
        settings: The place of the database, and the time that a migration may wait for a lock.
        run: Runs what is pending, and reports its progress.

    Raises:
        ConfigurationError: A migration failed; the message says what of it was applied.
        DatabaseConnectionError: The server cannot be reached.
    """
    progress = Progress()
    async with turn(settings) as connection:
        try:
            await connection.run_sync(_observed, run, progress, settings.migration_lock_timeout_seconds)
        except (AppException, CommandError):
            raise
        except Exception as error:
            await connection.rollback()
            raise await _explained(error, settings, progress) from error


@asynccontextmanager
async def turn(settings: DatabaseSettings) -> AsyncIterator[AsyncConnection]:
    """A connection for as long as no other migrator has one."""
    async with migration_engine(settings).connect() as connection:
        await _take_turn(connection)
        await _set_limits(connection)
        yield connection


async def read_state(settings: DatabaseSettings) -> tuple[frozenset[str], list[str]]:
    """Return the revisions the database is at, and its invalid indexes.

    Such an index is left by a failed CREATE INDEX CONCURRENTLY: it costs writes and answers no query.
    """
    async with migration_engine(settings, reading=True).connect() as connection:
        heads = await connection.run_sync(lambda sync: MigrationContext.configure(sync).get_current_heads())
        return frozenset(heads), list(await connection.scalars(_INVALID_INDEXES))


def dropping(indexes: list[str]) -> str:
    """Return the sentences that say how invalid indexes go."""
    return " ".join(f"Remove the invalid index: DROP INDEX CONCURRENTLY {index};" for index in indexes)


async def _take_turn(connection: AsyncConnection) -> None:
    """Poll, each time in a transaction of its own.

    A session that waits in `pg_advisory_lock` holds a snapshot, and `CREATE INDEX CONCURRENTLY` of the one before it
    waits for every snapshot: a deadlock.
    """
    holder = None
    while not await connection.scalar(text("SELECT pg_try_advisory_lock(:lock)"), {"lock": MIGRATION_LOCK}):
        if holder is None and (holder := await connection.scalar(_HOLDER, {"lock": MIGRATION_LOCK})):
            err.print(
                f"waiting for another migrator, server process {holder}; if its client is gone, "
                f"end it: SELECT pg_terminate_backend({holder})"
            )
        await connection.commit()
        await asyncio.sleep(_POLL_SECONDS)
    await connection.commit()


async def _set_limits(connection: AsyncConnection) -> None:
    """Have a migration take as long as it takes, unless its client is gone."""
    await connection.execute(text("SET statement_timeout = 0"))
    await connection.execute(text("SET application_name = 'app db'"))
    await connection.commit()
    try:
        await connection.execute(text("SET client_connection_check_interval = '2s'"))
        await connection.commit()
    except DBAPIError:
        # The server's system cannot look. The next migrator still says which session it waits for.
        await connection.rollback()


def _observed(
    connection: Connection, run: Callable[[Connection, Progress], None], progress: Progress, limit_seconds: float
) -> None:
    """Run migrations, note their commits, limit their waits for locks; those of CONCURRENTLY block no other session."""
    limit = max(1, round(limit_seconds * 1000))
    current = None

    def before_statement(*given: object) -> None:
        nonlocal current
        statement = str(given[2]).upper()
        if statement.strip(" ;\n") in {"COMMIT", "END"}:
            progress.committed()
        if (wanted := 0 if "CONCURRENTLY" in statement else limit) != current:
            current = wanted
            connection.exec_driver_sql(f"SET lock_timeout = {wanted}")

    event.listen(connection, "before_cursor_execute", before_statement)
    event.listen(connection, "commit", progress.committed)
    run(connection, progress)


async def _explained(error: Exception, settings: DatabaseSettings, progress: Progress) -> ConfigurationError:
    """Return what to raise for a failure of the migrations: the cause, what is applied, and the next step."""
    place, again = _line(error), "and run the command again."
    if isinstance(error, DBAPIError) and getattr(error.orig, "sqlstate", None) == _LOCK_NOT_AVAILABLE:
        cause = f"{place} got no lock within DATABASE_MIGRATION_LOCK_TIMEOUT_SECONDS."
        step = f"Wait until the transaction that holds it is over (pg_stat_activity shows all), {again}"
    elif isinstance(error, DBAPIError):
        # The first line is the server's sentence; the next ones may hold data.
        reason = str((error.orig and error.orig.__cause__) or error.orig).partition("\n")[0]
        cause = f"The database refused {place}: {reason}."
        step = f"Correct the cause, take back by hand what an earlier run may have applied of the migration, {again}"
    else:
        cause = f"{place} failed: {type(error).__name__}: {error}."
        step = f"Correct it {again}"
    try:
        heads, invalid = await read_state(settings)
    except (DBAPIError, DatabaseConnectionError):
        return ConfigurationError(
            f"{cause} Then the database could not be reached.",
            next_step="Once it answers, `app db current` shows where it is, and `app db upgrade` goes on from there.",
        )
    state = f"The database is at revision {', '.join(sorted(heads)) or '(none)'}"
    if progress.partly:
        state += "; a part of the migration after it is applied: what it did before and in its autocommit_block."
        step = (
            "Take that back by hand, or have the migration skip it (IF NOT EXISTS, if_not_exists=True); remove the "
            f"cause {again}"
        )
    elif isinstance(error, DBAPIError) and error.connection_invalidated:
        state += "; the connection was lost, and the server may still be at work on the migration after it."
    else:
        state += "; this run applied nothing of the migration after it."
    if invalid:
        state += f" Invalid index: {', '.join(invalid)}."
    return ConfigurationError(f"{cause} {state}", next_step=f"{dropping(invalid)} {step}".strip())


def _line(error: Exception) -> str:
    """Return the line of a migration that an error comes from."""
    for frame in reversed(traceback.extract_tb(error.__traceback__)):
        if (file := Path(frame.filename)).parent.name == "versions":
            return f"migrations/versions/{file.name}, line {frame.lineno}"
    return "a migration"
