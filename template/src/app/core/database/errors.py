"""From the driver's errors to the application's: the messages tell callers nothing about the inside."""

import os
import re
import ssl
from typing import Any, Final

import asyncpg
from sqlalchemy.engine import ExceptionContext
from sqlalchemy.exc import DBAPIError

from app.core.exceptions import (
    DatabaseConflictError,
    DatabaseConnectionError,
    DatabaseException,
    DatabaseIntegrityError,
    DatabaseQueryError,
    DatabaseTimeoutError,
)

# By what SQLSTATE codes begin with (PostgreSQL documentation, appendix A).
_ERRORS: Final = (
    # Of the server's limits: for a statement, a lock, an idle or any transaction.
    (("57014", "55P03", "25P03", "25P04"), DatabaseTimeoutError, "The database took too long."),
    # Connection exceptions, insufficient resources, operator intervention such as a shutdown.
    (("08", "53", "57P"), DatabaseConnectionError, "The connection to the database was lost."),
    (("23",), DatabaseIntegrityError, "The change contradicts other data."),
    # serialization_failure and deadlock_detected.
    (("40001", "40P01"), DatabaseConflictError, "Others were changing the same data. Please try again."),
)
# The next step for a connection that failed, by the SQLSTATE and the words of the cause.
_NEXT_STEPS: Final = (
    ("^28", "Check the user and the password in DATABASE_URL, or POSTGRES_USER and POSTGRES_PASSWORD."),
    ("^3D", "Create the database, or correct its name in DATABASE_URL or POSTGRES_DB."),
    ("^53300", "Lower DATABASE_POOL_SIZE or API_WORKERS, or raise the server's max_connections."),
    ("startup parameter", "Set DATABASE_POOLER=transaction, and MIGRATION_DATABASE_URL to the server past the pooler."),
    ("SSL", "Check DATABASE_SSL_MODE, and DATABASE_SSL_ROOT_CERT, which names the authorities to trust."),
    ("", "Check that the server runs, and the host and port in DATABASE_URL, or POSTGRES_HOST and POSTGRES_PORT."),
)
# All that the driver raises for a server or a network that is at fault, or a statement.
DRIVER_ERRORS: Final = (asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError, OSError)
# Raised for a plan made before a migration changed a column's type; the driver has forgotten it then.
StalePlanError = asyncpg.InvalidCachedStatementError


async def connect(*args: Any, **kwargs: Any) -> asyncpg.Connection:  # noqa: ANN401 — asyncpg's own
    """Open a connection; SQLAlchemy would pass the system's errors on, which look like those of a file."""
    try:
        return await asyncpg.connect(*args, **kwargs)
    # ValueError: what the host's name or the server's answer cannot be read as.
    except (*DRIVER_ERRORS, ValueError) as err:
        raise DatabaseConnectionError("The database cannot be reached.") from err


def translate(context: ExceptionContext) -> DatabaseException | None:
    """Listener for `handle_error`: return what an engine raises in place of the driver's error."""
    cause = context.original_exception
    if isinstance(context.sqlalchemy_exception, DBAPIError) or isinstance(cause, TimeoutError):
        return error_of(cause, disconnected=context.is_disconnect)
    return None


def state_of(error: BaseException) -> str:
    """Return the SQLSTATE that the server answered; empty where the connection broke before it could."""
    return str(getattr(error, "sqlstate", None) or "")


def error_of(error: BaseException, *, disconnected: bool) -> DatabaseException:
    """Return the application's error for one of the driver's."""
    if isinstance(error, TimeoutError):
        return DatabaseConnectionError("The database did not answer in time.")
    for states, kind, message in _ERRORS:
        if state_of(error).startswith(states):
            return kind(message)
    if disconnected:
        return DatabaseConnectionError("The connection to the database was lost.")
    return DatabaseQueryError("The database refused a statement.")


def explain(error: DatabaseConnectionError) -> tuple[str, str]:
    """Return the cause and the next step, a sentence each, for the owner of the database; no password in either."""
    cause = error.__cause__ or error
    said = str(cause).partition("\n")[0].rstrip(".") or type(cause).__name__
    # Of a refused connection, asyncio says less than the system.
    if isinstance(cause, OSError) and not isinstance(cause, ssl.SSLError) and cause.errno and cause.errno > 0:
        said = os.strerror(cause.errno)
    step = next(step for words, step in _NEXT_STEPS if re.search(words, f"{state_of(cause)} {said}"))
    return f"The database cannot be reached: {said}.", step
