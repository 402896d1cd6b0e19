"""From the driver's errors to the application's: the messages tell callers nothing about the inside."""

import os
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
    # Of statement_timeout, lock_timeout, idle_in_transaction_session_timeout and transaction_timeout.
    (("57014", "55P03", "25P03", "25P04"), DatabaseTimeoutError, "The database took too long."),
    # Connection exceptions, insufficient resources, operator intervention such as a shutdown.
    (("08", "53", "57P"), DatabaseConnectionError, "The connection to the database was lost."),
    (("23",), DatabaseIntegrityError, "The change contradicts other data."),
    # serialization_failure and deadlock_detected.
    (("40001", "40P01"), DatabaseConflictError, "Others were changing the same data. Please try again."),
)
# All that the driver raises for a server or a network that is at fault, or a statement.
DRIVER_ERRORS: Final = (asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError, OSError)
# Raised for a plan made before a migration changed a column's type; the driver has forgotten it then.
StalePlanError = asyncpg.InvalidCachedStatementError


async def connect(*args: Any, **kwargs: Any) -> asyncpg.Connection:  # noqa: ANN401 — asyncpg's own
    """Open a connection as asyncpg's `connect` does, failing with a `DatabaseConnectionError` chained to the cause.

    SQLAlchemy passes the operating system's errors on as they are, and they look like those of a file or another
    service.
    """
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
    match error.__cause__:
        case asyncpg.InvalidPasswordError() | asyncpg.InvalidAuthorizationSpecificationError():
            found = (
                "The database server refused the user name or the password.",
                "Check them in DATABASE_URL, or POSTGRES_USER and POSTGRES_PASSWORD.",
            )
        case asyncpg.InvalidCatalogNameError():
            found = (
                "The database server has no database of that name.",
                "Create it, or correct the name in DATABASE_URL or POSTGRES_DB.",
            )
        case asyncpg.TooManyConnectionsError():
            found = (
                "The database server has no connection left.",
                "Lower DATABASE_POOL_SIZE or API_WORKERS, or raise the server's max_connections.",
            )
        case asyncpg.PostgresError() as cause if "startup parameter" in str(cause):
            found = (
                f"A pooler in front of the database refuses the limits of this application: {cause}.",
                "Set DATABASE_POOLER=transaction, and MIGRATION_DATABASE_URL to the server itself, past the pooler.",
            )
        case ssl.SSLError() as cause:
            found = (
                f"The database server's encryption cannot be trusted: {cause.reason or 'no common protocol'}.",
                "Check DATABASE_SSL_MODE, and DATABASE_SSL_ROOT_CERT, which names the authorities to trust.",
            )
        case ConnectionError() as cause if "SSL" in str(cause):
            found = (
                "The database server does not offer encryption.",
                "Switch it on there, or choose another DATABASE_SSL_MODE (prefer and disable go without).",
            )
        case cause:
            found = (
                f"The database server cannot be reached: {_reason(cause)}.",
                "Check that it runs, and the host and port in DATABASE_URL, or POSTGRES_HOST and POSTGRES_PORT.",
            )
    return found


def _reason(cause: BaseException | None) -> str:
    """Return the system's own words for a connection that failed."""
    match cause:
        case TimeoutError():
            return "no answer in time"
        case OSError(errno=int(number)) if number > 0:
            return os.strerror(number)
        case None:
            return "no connection"
        case _:
            return str(cause).partition("\n")[0].rstrip(".") or type(cause).__name__
