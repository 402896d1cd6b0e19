"""The engines: SQLAlchemy's, bound to the settings, with the server's limits and the application's errors."""

import ssl
from pathlib import Path
from typing import Any, Final

from sqlalchemy import event
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import DisconnectionError
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine
from sqlalchemy.pool import ConnectionPoolEntry, NullPool, PoolProxiedConnection

from app.core.config.database import DatabaseAddress, DatabaseSettings, SslMode
from app.core.database.errors import connect, translate
from app.core.database.pooling import through_transaction_pooler
from app.core.exceptions import ConfigurationError

# Seconds that the client waits for a statement beyond the server's own limit: the server's answer should win, this
# bound is for a server or a network that no longer answers at all.
_CLIENT_GRACE_SECONDS: Final = 5.0


def make_engine(
    settings: DatabaseSettings,
    *,
    application_name: str,
    pool_size: int,
    max_overflow: int = 0,
    pool_timeout_seconds: float,
    read_only: bool = False,
) -> AsyncEngine:
    """Return an engine whose every transaction has the settings' limits; nothing is connected yet.

    They are start-up parameters of the connection and so cost no statement; behind a pooler, they begin each
    transaction.

    Args:
        settings: The place of the database, and its limits.
        application_name: Shown in `pg_stat_activity`.
        pool_size: Connections kept open once used.
        max_overflow: Connections beyond those.
        pool_timeout_seconds: Wait for a connection.
        read_only: The server refuses changes.
    """
    limits = session_settings(settings)
    if read_only:
        limits["default_transaction_read_only"] = "on"
    address, statement_seconds = settings.address, settings.statement_timeout_seconds
    connect_args = _connect_args(settings, address) | {
        "command_timeout": statement_seconds + _CLIENT_GRACE_SECONDS if statement_seconds else None,
        "server_settings": {"application_name": application_name, **limits},
    }
    if settings.pooler == "transaction":
        connect_args |= through_transaction_pooler(limits, application_name=application_name)
    engine = create_async_engine(
        address.url,
        connect_args=connect_args,
        pool_size=pool_size,
        max_overflow=max_overflow,
        pool_timeout=pool_timeout_seconds,
        pool_recycle=settings.pool_recycle_seconds,
        pool_pre_ping=settings.pool_pre_ping,
        # What reads has no transaction to take back, and what changes ends its own.
        pool_reset_on_return=None,
        # Values never appear in errors or logs: they are people's data.
        hide_parameters=True,
    )
    event.listen(engine.sync_engine, "checkout", _replace_closed_connection)
    event.listen(engine.sync_engine, "handle_error", translate)
    return engine


def migration_engine(settings: DatabaseSettings, *, reading: bool = False) -> AsyncEngine:
    """Return an engine for migrations: a connection for each use, and no limit on the time that an index takes.

    Args:
        settings: The place of the database; `MIGRATION_DATABASE_URL` goes first.
        reading: True where nothing but the state is asked for, which a pooler can answer, too.

    Raises:
        ConfigurationError: There is only a pooler, which has no session for the locks that migrations hold.
    """
    pooled = settings.pooler == "transaction" and settings.migration_url is None
    if pooled and not reading:
        raise ConfigurationError(
            "Migrations need a session of their own, which a pooler in transaction mode does not give.",
            next_step="Set MIGRATION_DATABASE_URL to the database server itself, past the pooler.",
        )
    address = settings.migration_address
    connect_args = _connect_args(settings, address)
    if pooled:
        connect_args |= through_transaction_pooler({}, application_name="app db")
    return create_async_engine(address.url, connect_args=connect_args, poolclass=NullPool, hide_parameters=True)


def session_settings(settings: DatabaseSettings) -> dict[str, str]:
    """Return the server's settings for every transaction of requests, as `pg_settings` shows them."""
    return {
        "timezone": "UTC",
        # Compiling a plan costs more than the short statements of a web service take to run.
        "jit": "off",
        "statement_timeout": _milliseconds(settings.statement_timeout_seconds),
        "lock_timeout": _milliseconds(settings.lock_timeout_seconds),
        "idle_in_transaction_session_timeout": _milliseconds(settings.idle_in_transaction_timeout_seconds),
    }


def _connect_args(settings: DatabaseSettings, address: DatabaseAddress) -> dict[str, Any]:
    connect_args: dict[str, Any] = {"async_creator_fn": connect, "timeout": settings.connect_timeout_seconds}
    # Sockets in the file system are never encrypted.
    encryption = {"ssl": _encryption(address.ssl_mode, settings.ssl_root_cert)} if address.hosts else {}
    return connect_args | encryption


def _encryption(mode: SslMode, root_cert: Path | None) -> str | ssl.SSLContext:
    if mode not in {SslMode.VERIFY_CA, SslMode.VERIFY_FULL}:
        return mode
    # Given the mode alone, asyncpg trusts ~/.postgresql/root.crt or nothing; a container has neither file nor home.
    context = ssl.create_default_context(cafile=root_cert)
    context.check_hostname = mode is SslMode.VERIFY_FULL
    return context


def _replace_closed_connection(
    connection: DBAPIConnection, _entry: ConnectionPoolEntry, _proxy: PoolProxiedConnection
) -> None:
    """Notice without a round trip that the server has closed a pooled connection (restart, fail-over, idle limit)."""
    if connection.driver_connection.is_closed():
        raise DisconnectionError("the server has closed this connection")


def _milliseconds(seconds: float) -> str:
    return str(round(seconds * 1000))
