"""Making an engine: the mechanism, which knows no settings."""

import ssl
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from sqlalchemy import event
from sqlalchemy.engine import URL, Connection, ExceptionContext
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import DisconnectionError
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine
from sqlalchemy.pool import ConnectionPoolEntry, NullPool, PoolProxiedConnection

from app.core.config.database_url import network_hosts
from app.core.database.errors import connect, translate
from app.core.database.pooling import through_transaction_pooler
from app.core.database.preparing import execute_prepared

# How much longer than the server's own limit the client waits for a statement: the server's answer should win, this
# bound is for a server or a network that no longer answers at all.
_CLIENT_GRACE_SECONDS = 5.0
# SQLSTATE disk_full (PostgreSQL documentation, appendix A).
_DISK_FULL = "53100"
# Marks a connection on which a statement has failed since its last commit.
FAILED = "statement_failed"


def create_engine(
    url: URL,
    *,
    application_name: str,
    ssl_mode: str,
    ssl_root_cert: Path | None,
    pool_size: int,
    max_overflow: int,
    pool_timeout_seconds: float,
    pool_recycle_seconds: int,
    pool_pre_ping: bool,
    connect_timeout_seconds: float,
    statement_timeout_seconds: float,
    session_settings: Mapping[str, str],
    transaction_pooler: bool,
) -> AsyncEngine:
    """Return an engine whose every transaction has these settings; nothing is connected yet.

    They are start-up parameters of the connection and so cost no statement; behind a pooler, they begin each
    transaction.

    Args:
        url: Address with the asyncpg driver.
        application_name: Shown in `pg_stat_activity`.
        ssl_mode: As libpq's `sslmode`. Sockets in the file system are never encrypted.
        ssl_root_cert: File of the authorities to trust; the system's unless given.
        pool_size: Connections kept open once used.
        max_overflow: Connections beyond those.
        pool_timeout_seconds: Wait for a connection.
        pool_recycle_seconds: Age at which one is replaced; -1: never.
        pool_pre_ping: Whether the server is asked before each use of a connection.
        connect_timeout_seconds: Limit for opening one.
        statement_timeout_seconds: Limit for a statement, which the client adds a little to; 0: none.
        session_settings: Of the server, by their names: see `make_session_settings`.
        transaction_pooler: Whether the connection is to a pooler that lends its own for a transaction at a time.
    """
    connect_args: dict[str, Any] = {
        "async_creator_fn": connect,
        "timeout": connect_timeout_seconds,
        "command_timeout": statement_timeout_seconds + _CLIENT_GRACE_SECONDS if statement_timeout_seconds else None,
        "server_settings": {"application_name": application_name, **session_settings},
    }
    if transaction_pooler:
        connect_args |= through_transaction_pooler(session_settings, application_name=application_name)
    engine = create_async_engine(
        url,
        connect_args=connect_args | _encryption(url, ssl_mode, ssl_root_cert),
        pool_size=pool_size,
        max_overflow=max_overflow,
        pool_timeout=pool_timeout_seconds,
        pool_recycle=pool_recycle_seconds,
        pool_pre_ping=pool_pre_ping,
        # Values never appear in errors or logs: they are people's data.
        hide_parameters=True,
    )
    event.listen(engine.sync_engine, "checkout", _replace_closed_connection)
    event.listen(engine.sync_engine, "do_execute", execute_prepared)
    event.listen(engine.sync_engine, "handle_error", translate)
    event.listen(engine.sync_engine, "handle_error", _note_failure)
    event.listen(engine.sync_engine, "commit", _refuse_failed_transaction)
    return engine


def make_session_settings(
    *, statement_timeout_seconds: float, lock_timeout_seconds: float, idle_in_transaction_timeout_seconds: float
) -> dict[str, str]:
    """Return what every transaction of requests runs under, as `pg_settings` shows it.

    Args:
        statement_timeout_seconds: Limit for a statement; 0: none.
        lock_timeout_seconds: Limit for the wait for a lock; 0: none.
        idle_in_transaction_timeout_seconds: Limit for doing nothing inside a transaction; 0: none.
    """
    return {
        "timezone": "UTC",
        # Compiling a plan costs more than the short statements of a web service take to run.
        "jit": "off",
        "statement_timeout": _milliseconds(statement_timeout_seconds),
        "lock_timeout": _milliseconds(lock_timeout_seconds),
        "idle_in_transaction_session_timeout": _milliseconds(idle_in_transaction_timeout_seconds),
    }


def create_unlimited_engine(
    url: URL, *, ssl_mode: str, ssl_root_cert: Path | None, connect_timeout_seconds: float, transaction_pooler: bool
) -> AsyncEngine:
    """Return an engine for migrations: a connection for each use, and no limit on what is done with it.

    Args:
        url: Address with the asyncpg driver.
        ssl_mode: As libpq's `sslmode`.
        ssl_root_cert: File of the authorities to trust; the system's unless given.
        connect_timeout_seconds: Limit for opening a connection.
        transaction_pooler: Whether the connection is to a pooler that lends its own for a transaction at a time.
    """
    connect_args: dict[str, Any] = {
        "async_creator_fn": connect,
        "timeout": connect_timeout_seconds,
        **_encryption(url, ssl_mode, ssl_root_cert),
    }
    if transaction_pooler:
        connect_args |= through_transaction_pooler({}, application_name="app db")
    return create_async_engine(url, connect_args=connect_args, poolclass=NullPool, hide_parameters=True)


def watch_disk(engine: AsyncEngine, note: Callable[[], None]) -> None:
    """Call `note` whenever the server had no room for what a statement of this engine wrote."""

    def on_error(context: ExceptionContext) -> None:
        if getattr(getattr(context.sqlalchemy_exception, "orig", None), "sqlstate", None) == _DISK_FULL:
            note()

    event.listen(engine.sync_engine, "handle_error", on_error)


def _encryption(url: URL, ssl_mode: str, ssl_root_cert: Path | None) -> dict[str, str | ssl.SSLContext]:
    if not network_hosts(url):
        return {}
    if ssl_mode not in {"verify-ca", "verify-full"}:
        return {"ssl": ssl_mode}
    # Given the mode alone, asyncpg trusts ~/.postgresql/root.crt or nobody; a container has neither file nor home.
    context = ssl.create_default_context(cafile=ssl_root_cert)
    context.check_hostname = ssl_mode == "verify-full"
    return {"ssl": context}


def _replace_closed_connection(
    connection: DBAPIConnection, _entry: ConnectionPoolEntry, _proxy: PoolProxiedConnection
) -> None:
    """Notice without a round trip that the server has closed a pooled connection (restart, fail-over, idle limit)."""
    if connection.driver_connection.is_closed():
        raise DisconnectionError("the server has closed this connection")


def _note_failure(context: ExceptionContext) -> None:
    if context.connection is not None and not context.is_disconnect:
        context.connection.info[FAILED] = True


def _refuse_failed_transaction(connection: Connection) -> None:
    """Raise where a failed statement was swallowed: PostgreSQL answers COMMIT with a silent ROLLBACK then.

    Only the server knows whether a savepoint has healed the transaction; it is asked after a failure, not else.
    """
    if connection.info.pop(FAILED, False):
        connection.exec_driver_sql("SELECT 1")


def _milliseconds(seconds: float) -> str:
    return str(round(seconds * 1000))
