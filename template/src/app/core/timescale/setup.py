"""What `app db upgrade` does after the migrations: the one place that binds these mechanisms to settings."""

from datetime import timedelta

from sqlalchemy import MetaData
from sqlalchemy.ext.asyncio import AsyncSession

from app.core.config.database import DatabaseSettings
from app.core.config.timescale import TimescaleSettings
from app.core.database import ReadSession, WriteSession, migration_engine
from app.core.timescale.declaration import declared_hypertables
from app.core.timescale.extension import create_extension
from app.core.timescale.hypertables import create_hypertables
from app.core.timescale.policies import setup_compression_policies, setup_retention_policies
from app.core.timescale.turns import Limits


async def set_up_timescale(settings: TimescaleSettings, database: DatabaseSettings, metadata: MetaData) -> list[str]:
    """Bring the database in line with the settings: extension, hypertables, columnstore, retention, in this order.

    Each step is committed by itself, and all of it may be run again: a failure half-way costs a repetition.
    Where TimescaleDB is off nothing is looked at: hypertables that exist stay, and so do their policies. A variable
    that is not set changes nothing in a hypertable that exists: a machine without production's settings takes no
    policy away.

    Args:
        settings: What is wanted.
        database: Where; connected to without the limits that requests have.
        metadata: The tables of the application, all of them.

    Returns:
        What was changed, in sentences.

    Raises:
        ConfigurationError: The server cannot do it, or refused it; the message names the next step.
    """
    if not settings.enabled:
        return []
    hypertables = declared_hypertables(metadata)
    given = settings.model_fields_set
    limits = Limits(lock=settings.lock_timeout_seconds, statement=settings.statement_timeout_seconds)
    chunk_interval = timedelta(hours=settings.chunk_interval_hours)
    async with AsyncSession(migration_engine(database)) as unlimited:
        session = WriteSession(ReadSession(unlimited))
        return [
            *await create_extension(session, limits=limits),
            *await create_hypertables(
                session,
                hypertables,
                chunk_interval=chunk_interval,
                limits=limits,
                keep="chunk_interval_hours" not in given,
            ),
            *await setup_compression_policies(
                session,
                hypertables,
                after=_days(settings.compress_after_days),
                limits=limits,
                keep="compress_after_days" not in given,
            ),
            *await setup_retention_policies(
                session,
                hypertables if "drop_after_days" in given else [],
                after=_days(settings.drop_after_days),
                limits=limits,
            ),
        ]


def _days(number: int) -> timedelta | None:
    return timedelta(days=number) if number else None
