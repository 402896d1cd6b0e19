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

# SQLSTATE codes, PostgreSQL documentation, appendix A: query_canceled (statement_timeout), lock_not_available
# (lock_timeout), idle_in_transaction_session_timeout, transaction_timeout.
_TIMEOUTS: Final = frozenset({"57014", "55P03", "25P03", "25P04"})
# Connection exceptions, insufficient resources, operator intervention such as a shutdown.
_UNAVAILABLE: Final = ("08", "53", "57P")
_INTEGRITY: Final = "23"
# serialization_failure and deadlock_detected.
_CONFLICTS: Final = frozenset({"40001", "40P01"})
# All that the driver raises for a server or a network that is at fault, or a statement.
DRIVER_ERRORS: Final = (asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError, OSError)
# Raised for a plan made before a migration changed a column's type; the driver has forgotten it then.
StalePlanError = asyncpg.InvalidCachedStatementError
_UNREACHABLE: Final = "The database cannot be reached."


async def connect(*args: Any, **kwargs: Any) -> asyncpg.Connection:  # noqa: ANN401 — asyncpg's own
    """Open a connection as asyncpg's `connect` does, failing with a `DatabaseConnectionError` chained to the cause.

    SQLAlchemy passes the operating system's errors on as they are, and they look like those of a file or another
    service.
    """
    try:
        return await asyncpg.connect(*args, **kwargs)
    # ValueError: what the host's name or the server's answer cannot be read as.
    except (*DRIVER_ERRORS, ValueError) as err:
        raise DatabaseConnectionError(_UNREACHABLE) from err


def translate(context: ExceptionContext) -> DatabaseException | None:
    """Listener for `handle_error`: return what an engine raises in place of the driver's error."""
    error = context.sqlalchemy_exception
    if isinstance(error, DBAPIError):
        # Present wherever the server answered; absent where the connection broke before it could.
        state = str(getattr(error.orig, "sqlstate", None) or "")
        return error_of(state, disconnected=context.is_disconnect)
    if isinstance(context.original_exception, TimeoutError):
        return DatabaseConnectionError("The database did not answer in time.")
    return None


def error_of(state: str, *, disconnected: bool = False) -> DatabaseException:
    """Return the error that an SQLSTATE of the server amounts to, or its absence where the connection broke."""
    if state in _TIMEOUTS:
        return DatabaseTimeoutError("The database took too long.")
    if disconnected or state.startswith(_UNAVAILABLE):
        return DatabaseConnectionError("The connection to the database was lost.")
    if state.startswith(_INTEGRITY):
        return DatabaseIntegrityError("The change contradicts other data.")
    if state in _CONFLICTS:
        return DatabaseConflictError("Others were changing the same data. Please try again.")
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
