"""PostgreSQL: the process's engines, the sessions it lends, and its state."""

from app.core.database.base import Base, Timestamps, UuidKey
from app.core.database.database import (
    Database,
    check_database_health,
    check_session_settings,
    get_async_session,
    get_connection_info,
    get_database,
    get_database_stats,
    get_db_session,
    get_read_session,
    test_database_connection,
)
from app.core.database.engine import migration_engine
from app.core.database.sessions import ReadSession, WriteSession
from app.core.database.statements import Statement
