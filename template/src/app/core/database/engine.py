"""The engines: SQLAlchemy's, bound to the settings, with the server's limits and the application's errors.

A pooler (PgBouncer and its kin) lends a connection of the server for a transaction at a time: settings of a connection
get lost or stay for the next client. So each transaction sets what it needs, and statements have no names.
"""

import logging
import ssl
import time
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any, Final

import asyncpg
from sqlalchemy import event
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import DisconnectionError
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine
from sqlalchemy.pool import NullPool

from app.core.config.database import DatabaseAddress, DatabaseSettings, SslMode
from app.core.database.errors import connect, translate
from app.core.exceptions import ConfigurationError
from app.core.logging import get_logger, log_db_query

logger = get_logger(__name__)

_CLIENT_GRACE_SECONDS: Final = 5.0  # beyond the server's own limit, for a server that no longer answers at all


class DriverConnection(asyncpg.Connection):  # type: ignore[misc]  # the driver has no types
    """The driver's connection, on which a commit that comes to nothing fails."""

    __slots__ = ()

    async def execute(self, query: str, *args: object, **options: Any) -> str:  # noqa: ANN401 — the driver's own
        """Run a statement; the driver's own transactions begin and end here."""
        status: str = await super().execute(query, *args, **options)
        if status == "ROLLBACK" and query.startswith("COMMIT"):
            # So PostgreSQL answers in a transaction that has failed, without an error.
            raise asyncpg.InFailedSQLTransactionError("the transaction had failed before its commit")
        return status


def make_engine(
    settings: DatabaseSettings, *, application_name: str, read_only: bool = False, **pool: float
) -> AsyncEngine:
    """Return an engine whose every transaction has the settings' limits; `pool` are SQLAlchemy's arguments.

    The limits are start-up parameters and so cost no statement; behind a pooler, they begin each transaction.
    """
    limits = session_settings(settings)
    if read_only:
        limits["default_transaction_read_only"] = "on"
    address, seconds = settings.address, settings.statement_timeout_seconds
    connect_args = _connect_args(settings, address) | {
        "command_timeout": seconds + _CLIENT_GRACE_SECONDS if seconds else None,
        "server_settings": {"application_name": application_name, **limits},
    }
    if settings.pooler == "transaction":
        connect_args |= _through_pooler(limits, application_name)
    engine = create_async_engine(
        address.url,
        connect_args=connect_args,
        pool_reset_on_return=None,  # what reads has no transaction to take back, and what changes ends its own
        hide_parameters=True,  # values never appear in errors or logs: they are people's data
        **{
            "pool_size": settings.pool_size,
            # The queue in front of the pool has the bound; past it, the engine itself lends what it is asked for.
            "max_overflow": -1,
            "pool_timeout": settings.pool_timeout_seconds,
            "pool_recycle": settings.pool_recycle_seconds,
            "pool_pre_ping": settings.pool_pre_ping,
            **pool,
        },
    )
    event.listen(engine.sync_engine, "checkout", _replace_closed_connection)
    event.listen(engine.sync_engine, "handle_error", translate)
    # Statements of SQLAlchemy's sessions; `Connections` logs its own.
    event.listen(engine.sync_engine, "before_cursor_execute", _note_beginning)
    event.listen(engine.sync_engine, "after_cursor_execute", partial(_log, settings.slow_statement_seconds))
    return engine


def migration_engine(settings: DatabaseSettings, *, reading: bool = False) -> AsyncEngine:
    """Return an engine without limits for migrations; ConfigurationError for a pooler alone, unless it is `reading`."""
    pooled = settings.pooler == "transaction" and settings.migration_url is None
    if pooled and not reading:
        raise ConfigurationError(
            "Migrations need a session of their own, which a pooler in transaction mode does not give.",
            next_step="Set MIGRATION_DATABASE_URL to the database server itself, past the pooler.",
        )
    address = settings.migration_address
    connect_args = _connect_args(settings, address)
    if pooled:
        connect_args |= _through_pooler({}, "app db")
    return create_async_engine(address.url, connect_args=connect_args, poolclass=NullPool, hide_parameters=True)


def session_settings(settings: DatabaseSettings) -> dict[str, str]:
    """Return the server's settings for every transaction of requests, as `pg_settings` shows them."""
    limits = {
        "statement_timeout": settings.statement_timeout_seconds,
        "lock_timeout": settings.lock_timeout_seconds,
        "idle_in_transaction_session_timeout": settings.idle_in_transaction_timeout_seconds,
    }
    # Compiling a plan costs more than the short statements of a web service take to run.
    return {"timezone": "UTC", "jit": "off"} | {name: f"{seconds * 1000:.0f}" for name, seconds in limits.items()}


def _connect_args(settings: DatabaseSettings, address: DatabaseAddress) -> dict[str, Any]:
    connect_args: dict[str, Any] = {
        "async_creator_fn": connect,
        "connection_class": DriverConnection,
        "timeout": settings.connect_timeout_seconds,
    }
    # Sockets in the file system are never encrypted.
    return connect_args | ({"ssl": _encryption(address.ssl_mode, settings.ssl_root_cert)} if address.hosts else {})


def _through_pooler(limits: Mapping[str, str], application_name: str) -> dict[str, Any]:
    """Return the arguments of a connection that go in place of those of `make_engine`."""
    local = "".join(f" SET LOCAL {name} = '{value}';" for name, value in limits.items())

    class PooledConnection(DriverConnection):
        """A connection whose transactions begin with their settings, in the message that begins them."""

        __slots__ = ()

        async def execute(self, query: str, *args: object, **options: Any) -> str:  # noqa: ANN401
            return await super().execute(f"{query}{local}" if query.startswith("BEGIN") else query, *args, **options)

        async def fetch(self, query: str, *args: object, **options: Any) -> list[Any]:  # noqa: ANN401
            """Return the rows of a statement, which reads in a transaction of its own if there is none."""
            begins = not self.is_in_transaction()
            if begins:
                await self.execute("BEGIN READ ONLY;")
            records: list[Any] = await super().fetch(query, *args, **options)
            if begins:
                await self.execute("COMMIT;")
            return records

    # The one limit that the pooler passes on to each connection that it lends (PgBouncer's documentation, "SET").
    passed_on = {"timezone": limits["timezone"]} if "timezone" in limits else {}
    return {
        "connection_class": PooledConnection,
        "server_settings": {"application_name": application_name, **passed_on},
        # Neither the driver nor SQLAlchemy keeps a statement for later, and none has a name.
        "statement_cache_size": 0,
        "prepared_statement_cache_size": 0,
        "prepared_statement_name_func": str,
    }


def _encryption(mode: SslMode, root_cert: Path | None) -> str | ssl.SSLContext:
    if mode not in {"verify-ca", "verify-full"}:
        return mode
    # Given the mode alone, asyncpg trusts ~/.postgresql/root.crt or nothing; a container has neither file nor home.
    context = ssl.create_default_context(cafile=root_cert)
    context.check_hostname = mode == "verify-full"
    return context


def _replace_closed_connection(connection: DBAPIConnection, *_others: object) -> None:
    """Notice without a round trip that the server has closed a pooled connection (restart, fail-over, idle limit)."""
    if connection.driver_connection.is_closed():
        raise DisconnectionError("the server has closed this connection")


def log_statement(statement: str, began: float, rows: int | None, slow_seconds: float) -> None:
    """Log a statement that began at this moment of the performance counter: a slow one, or any at DEBUG."""
    took = time.perf_counter() - began
    if took >= slow_seconds or logging.getLogger(__name__).isEnabledFor(logging.DEBUG):
        log_db_query(logger, statement, duration_ms=took * 1000, rows=rows, slow=took >= slow_seconds)


def _note_beginning(connection: Any, *_others: object) -> None:  # noqa: ANN401 — SQLAlchemy's own
    connection.info["began"] = time.perf_counter()


def _log(slow_seconds: float, connection: Any, cursor: Any, statement: str, *_others: object) -> None:  # noqa: ANN401
    rows = cursor.rowcount if cursor.rowcount >= 0 else None
    log_statement(statement, connection.info["began"], rows, slow_seconds)
