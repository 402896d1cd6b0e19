"""The explanation of a failed migration: the cause, what is applied, and the next step."""

import traceback
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple

from alembic.migration import MigrationContext
from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from app.core.config.loading import project_folder
from app.core.exceptions import ConfigurationError, DatabaseConnectionError

_LOCK_NOT_AVAILABLE = "55P03"
# Duplicate column, table, object, schema, function: PostgreSQL documentation, appendix A.
_EXISTS = frozenset({"42701", "42P07", "42710", "42P06", "42723"})


class Session(NamedTuple):
    """A session of the server.

    Attributes:
        pid: Its server process.
        name: Its `application_name`; empty when it has none, or belongs to a role we may not look at.
        state: Such as "idle in transaction"; empty when unknown.
        since: The start of its transaction, or of the session.
    """

    pid: int
    name: str
    state: str
    since: datetime | None

    def __str__(self) -> str:
        since = self.since and f"since {self.since:%Y-%m-%d %H:%M:%S} UTC"
        known = ", ".join(part for part in (self.name, self.state, since) if part)
        return f"server process {self.pid}{f' ({known})' if known else ''}"


@dataclass(slots=True)
class Attempt:
    """One run of the pending migrations, as far as it got.

    Attributes:
        finished: Migrations that were applied whole.
        partly: The one under way has committed something before its end.
        blockers: The sessions that last held it up.
    """

    finished: int = 0
    partly: bool = False
    blockers: list[Session] = field(default_factory=list)
    _last_statement_ran: bool = False

    def version_written(self, *_: object, **__: object) -> None:
        """Note that a migration has run to its end; its commit comes next."""
        self._last_statement_ran = True

    def committed(self) -> None:
        """Note a commit: a migration's own at its end, or one that leaves a part of it applied."""
        if self._last_statement_ran:
            self.finished, self.partly, self._last_statement_ran = self.finished + 1, False, False
        else:
            self.partly = True

    def repeatable(self, *, relative: bool) -> bool:
        """Return whether the same command would do the rest: a step such as +2 counts from where it begins."""
        return not self.partly and not (relative and self.finished)


def is_lock_timeout(error: BaseException) -> bool:
    """Return whether a lock was not to be had within the limit."""
    return isinstance(error, DBAPIError) and _sqlstate(error) == _LOCK_NOT_AVAILABLE


async def sessions(connection: AsyncConnection, pids: Iterable[int]) -> list[Session]:
    """Return the sessions of these server processes, without what they are doing."""
    found = await connection.execute(
        text(
            "SELECT pid, coalesce(application_name, ''), coalesce(state, ''), "
            "coalesce(xact_start, backend_start) AT TIME ZONE 'UTC' "
            "FROM pg_stat_activity WHERE pid = ANY(:pids) ORDER BY pid"
        ),
        {"pids": list(pids)},
    )
    return [Session(*row) for row in found]


def invalid_indexes(connection: Connection) -> list[str]:
    """Return the indexes that a failed CREATE INDEX CONCURRENTLY has left: they cost writes and answer no query."""
    return list(
        connection.scalars(
            text(
                "SELECT format('%I.%I', n.nspname, c.relname) FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid "
                "JOIN pg_namespace n ON n.oid = c.relnamespace WHERE NOT i.indisvalid ORDER BY 1"
            )
        )
    )


def dropping(indexes: list[str]) -> str:
    """Return the sentence that says how invalid indexes go."""
    return " ".join(f"Remove the invalid index: DROP INDEX CONCURRENTLY {index};" for index in indexes)


async def explained(error: Exception, engine: AsyncEngine, attempt: Attempt, *, attempts: int) -> ConfigurationError:
    """Return what to raise for a failure of the migrations: the cause, what is applied, and the next step.

    Args:
        error: What was raised.
        engine: Answers where the database is now.
        attempt: The run that failed.
        attempts: The number of runs, this one included.
    """
    place = failing_line(error)
    try:
        async with engine.connect() as connection:
            heads = await connection.run_sync(lambda sync: MigrationContext.configure(sync).get_current_heads())
            invalid = await connection.run_sync(invalid_indexes)
    except (DBAPIError, DatabaseConnectionError):
        return ConfigurationError(
            f"{_cause(error, place, attempt, attempts)} Then the database could not be reached.",
            next_step="Once it answers, `app db current` shows where it is, and `app db upgrade` goes on from there.",
        )
    lost = isinstance(error, DBAPIError) and error.connection_invalidated
    state = f"The database is at revision {', '.join(sorted(heads)) or '(none)'}"
    again = "run the command again"
    if attempt.partly:
        state += "; a part of the migration after it is applied: what it did before and in its autocommit_block."
        step = (
            "Take back by hand what was applied, or have the migration skip it (IF NOT EXISTS, if_not_exists=True), "
            f"remove the cause and {again}."
        )
    elif lost:
        state += "; the connection was lost, and the server may still be at work on the migration after it."
        step = f"Then {again}: it waits for what is still at work."
    elif isinstance(error, DBAPIError) and _sqlstate(error) in _EXISTS:
        state += "; this run applied nothing of the migration after it."
        step = (
            "If an earlier run applied a part of it (what precedes an autocommit_block stays), take that back by hand, "
            f"or have the migration skip it (IF NOT EXISTS, if_not_exists=True), and {again}."
        )
    else:
        state += ". Nothing of the migration after it was applied."
        step = f"Correct the migration, or the rights of the role, and {again}."
    if is_lock_timeout(error):
        step = _unblocking(attempt.blockers) + (step if attempt.partly else "")
    if invalid:
        state += f" Invalid index: {', '.join(invalid)}."
    return ConfigurationError(
        f"{_cause(error, place, attempt, attempts)} {state}", next_step=f"{dropping(invalid)} {step}".strip()
    )


def failing_line(error: Exception) -> str | None:
    """Return the line of a migration that an error comes from."""
    versions = str(project_folder() / "migrations" / "versions")
    for frame in reversed(traceback.extract_tb(error.__traceback__)):
        if frame.filename.startswith(versions):
            return f"{frame.filename.removeprefix(f'{project_folder()}/')}, line {frame.lineno}"
    if isinstance(error, SyntaxError) and str(error.filename).startswith(versions):
        return f"{str(error.filename).removeprefix(f'{project_folder()}/')}, line {error.lineno}"
    return None


def _cause(error: Exception, place: str | None, attempt: Attempt, attempts: int) -> str:
    place = place or "a migration"
    if is_lock_timeout(error):
        holders = f", held by {', '.join(map(str, attempt.blockers))}" if attempt.blockers else ""
        return f"The lock for {place} was not to be had{holders}; tried {attempts} time{'s' if attempts > 1 else ''}."
    if isinstance(error, DBAPIError):
        # The first line is the server's sentence; the next ones may hold data.
        reason = str((error.orig and error.orig.__cause__) or error.orig).partition("\n")[0]
        return f"The database refused {place}: {reason}."
    return f"{place} failed: {type(error).__name__}: {error}."


def _unblocking(blockers: list[Session]) -> str:
    ending = " or ".join(f"SELECT pg_terminate_backend({blocker.pid})" for blocker in blockers)
    end = f"end it ({ending})" if ending else "choose a quieter time"
    return (
        f"Wait until the transaction that holds it is over, or {end}, and run the command again; "
        "DATABASE_MIGRATION_LOCK_TIMEOUT_SECONDS is the wait, during which others queue behind the migration. "
    )


def _sqlstate(error: DBAPIError) -> str:
    return str(getattr(error.orig, "sqlstate", None) or "")
