"""PostgreSQL: the process's engines, the sessions it lends, its state, and the base of all tables."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import DateTime, MetaData, func
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column
from uuid_utils.compat import uuid7

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


class Base(DeclarativeBase):
    """The base of every model. Constraints get names by rule, so that migrations can refer to them."""

    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "ck": "ck_%(table_name)s_%(constraint_name)s",
            "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
            "pk": "pk_%(table_name)s",
        }
    )
    type_annotation_map = {datetime: DateTime(timezone=True)}  # noqa: RUF012 — SQLAlchemy's own protocol


class UuidKey:
    """A key of UUID version 7 (RFC 9562, 5.7), which grows with time: inserts stay local, order is creation order."""

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid7)


class Timestamps:
    """The moments a row was made and last changed, by the database's clock at the start of the transaction."""

    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    updated_at: Mapped[datetime] = mapped_column(server_default=func.now(), onupdate=func.now())
