"""Migrations on a database that others use: one migrator at a time, and none waits long for a lock."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress

from alembic.util import CommandError
from sqlalchemy import Connection, event, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from app.cli.failed_migrations import Attempt, explained, is_lock_timeout, sessions
from app.cli.output import err
from app.core.config import DatabaseSettings
from app.core.database import migration_engine
from app.core.exceptions import AppException, DatabaseConnectionError

# Any number that nothing else in this database uses.
MIGRATION_LOCK = 4_206_931
ATTEMPTS = 3
Migrations = Callable[[Connection, Attempt], None]
_POLL_SECONDS = 0.25
_REMINDER_SECONDS = 60.0
_HOLDERS = text(
    "SELECT pid FROM pg_locks JOIN pg_database ON database = pg_database.oid WHERE datname = current_database() "
    "AND locktype = 'advisory' AND granted AND classid = 0 AND objid = :lock AND objsubid = 1"
)
_BLOCKERS = text("SELECT unnest(pg_blocking_pids(:pid))")
# Ends the work of a client that is gone: killed, or on a machine that no longer answers. Where the server's system
# cannot do it, the next migrator still says which session it waits for.
_OPTIONAL = {"client_connection_check_interval": "2s", "tcp_keepalives_idle": "30", "tcp_keepalives_interval": "10"}


async def migrate(settings: DatabaseSettings, run: Migrations, *, relative: bool) -> None:
    """Run migrations when no other migrator does, and again when a lock was not to be had.

    The lock between migrators belongs to the session that migrates, and so outlives a killed client for exactly as
    long as the server goes on with its statement.

    Args:
        settings: Where the database is, and how long a migration may wait for a lock.
        run: Runs what is pending, and reports to the attempt; called again after a lock timeout.
        relative: The goal is a number of steps, counted from where an attempt begins.

    Raises:
        ConfigurationError: A migration failed; the message says what of it was applied.
        DatabaseConnectionError: The server cannot be reached.
    """
    engine = migration_engine(settings)
    async with engine.connect() as connection:
        await _take_turn(connection)
        for number in range(1, ATTEMPTS + 1):
            pid = await _set_limits(connection, lock_timeout_seconds=settings.migration_lock_timeout_seconds)
            attempt = Attempt()
            try:
                async with _watched(engine, pid, attempt, every=settings.migration_lock_timeout_seconds / 4):
                    await connection.run_sync(_observed, run, attempt, settings.migration_lock_timeout_seconds)
            except (AppException, CommandError):
                raise
            except Exception as error:
                await connection.rollback()
                if number == ATTEMPTS or not is_lock_timeout(error) or not attempt.repeatable(relative=relative):
                    raise await explained(error, engine, attempt, attempts=number) from error
                err.print(f"no lock within {settings.migration_lock_timeout_seconds:g} s: waiting, then trying again")
                # The sessions that queued behind this migration get through.
                await asyncio.sleep(settings.migration_lock_timeout_seconds)
            else:
                return


async def _take_turn(connection: AsyncConnection) -> None:
    """Poll, each time in a transaction of its own.

    A session that waits in `pg_advisory_lock` holds a snapshot, and `CREATE INDEX CONCURRENTLY` of the one before it
    waits for every snapshot: a deadlock.
    """
    reminder = 0.0
    while not await connection.scalar(text("SELECT pg_try_advisory_lock(:lock)"), {"lock": MIGRATION_LOCK}):
        if time.monotonic() >= reminder:
            reminder = time.monotonic() + _REMINDER_SECONDS
            pids = await connection.scalars(_HOLDERS, {"lock": MIGRATION_LOCK})
            for holder in await sessions(connection, pids):
                err.print(
                    f"waiting for another migrator, {holder}; if its client is gone, "
                    f"end it: SELECT pg_terminate_backend({holder.pid})"
                )
        await connection.commit()
        await asyncio.sleep(_POLL_SECONDS)
    await connection.commit()


async def _set_limits(connection: AsyncConnection, *, lock_timeout_seconds: float) -> int:
    """Limit the waits for locks, and nothing else: building an index may take as long as it takes."""
    pid = await connection.scalar(
        text(
            "SELECT pg_backend_pid(), set_config('lock_timeout', :wait, false), "
            "set_config('statement_timeout', '0', false), set_config('application_name', 'app db', false)"
        ),
        {"wait": _milliseconds(lock_timeout_seconds)},
    )
    await connection.commit()
    for name, value in _OPTIONAL.items():
        try:
            await connection.execute(text("SELECT set_config(:name, :value, false)"), {"name": name, "value": value})
            await connection.commit()
        except DBAPIError:
            await connection.rollback()
    return int(pid or 0)


def _observed(connection: Connection, run: Migrations, attempt: Attempt, limit: float) -> None:
    """Run migrations, and note what they commit; the waits of CONCURRENTLY, which block nothing, have no limit."""
    limited = True

    def before_statement(*given: object) -> None:
        nonlocal limited
        statement = str(given[2]).upper()
        if statement.strip(" ;\n") in {"COMMIT", "END"}:
            attempt.committed()
        if ("CONCURRENTLY" in statement) == limited:
            limited = not limited
            wait = _milliseconds(limit) if limited else "0"
            connection.exec_driver_sql(f"SET lock_timeout = '{wait}'")

    def on_commit(_: Connection) -> None:
        attempt.committed()

    event.listen(connection, "before_cursor_execute", before_statement)
    event.listen(connection, "commit", on_commit)
    try:
        run(connection, attempt)
    finally:
        event.remove(connection, "before_cursor_execute", before_statement)
        event.remove(connection, "commit", on_commit)


@asynccontextmanager
async def _watched(engine: AsyncEngine, pid: int, attempt: Attempt, *, every: float) -> AsyncIterator[None]:
    """Print the sessions that block the migration while they do: afterwards the server no longer knows."""

    async def watch() -> None:
        async with engine.connect() as connection:
            watcher = await connection.execution_options(isolation_level="AUTOCOMMIT")
            while True:
                await asyncio.sleep(min(every, 1.0))
                found = await sessions(watcher, await watcher.scalars(_BLOCKERS, {"pid": pid}))
                if found and found != attempt.blockers:
                    attempt.blockers = found
                    err.print(f"waiting for {', '.join(map(str, found))}")

    task = asyncio.create_task(watch())
    try:
        yield
    finally:
        task.cancel()
        # A server that has no connection to spare is no reason to fail.
        with suppress(asyncio.CancelledError, DBAPIError, DatabaseConnectionError):
            await task


def _milliseconds(seconds: float) -> str:
    return str(max(1, round(seconds * 1000)))
