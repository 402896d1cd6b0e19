"""PostgreSQL: the process's engine, the sessions it lends, and its state."""

from app.core.database.base import Base, Timestamps, UuidKey
from app.core.database.database import (
    Database,
    get_async_session,
    get_database,
    get_db_session,
    get_read_session,
)
from app.core.database.engine import migration_engine
from app.core.database.sessions import ReadSession, WriteSession
from app.core.database.statements import Statement
from app.core.database.status import (
    check_database_health,
    check_session_settings,
    get_connection_info,
    get_database_stats,
    has_extension,
    test_database_connection,
)

__all__ = [
    "Base",
    "Database",
    "ReadSession",
    "Statement",
    "Timestamps",
    "UuidKey",
    "WriteSession",
    "check_database_health",
    "check_session_settings",
    "get_async_session",
    "get_connection_info",
    "get_database",
    "get_database_stats",
    "get_db_session",
    "get_read_session",
    "has_extension",
    "migration_engine",
    "test_database_connection",
]
