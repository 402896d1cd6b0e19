"""Hypertables: what `app db upgrade` makes of the tables that are declared to be, after the migrations."""

from collections.abc import Iterable
from datetime import timedelta
from typing import Final

from sqlalchemy import MetaData, text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncSession

from app.core.config.timescale import TimescaleSettings
from app.core.timescale.declaration import Hypertable, declared_hypertables
from app.core.timescale.extension import create_extension, step
from app.core.timescale.policies import setup_compression_policies, setup_retention_policies

_INTERVAL: Final = text(
    "SELECT time_interval FROM timescaledb_information.dimensions WHERE dimension_number = 1 "
    "AND to_regclass(format('%I.%I', hypertable_schema, hypertable_name)) = to_regclass(:name)"
)
# Without default indexes: Alembic would find one that no model declares, and want to drop it.
_CREATE: Final = text(
    "SELECT create_hypertable(CAST(CAST(:name AS text) AS regclass), by_range(:time, CAST(:interval AS interval)), "
    "create_default_indexes => false, migrate_data => true)"
)
_CHANGE: Final = text(
    "SELECT set_chunk_time_interval(CAST(CAST(:name AS text) AS regclass), CAST(:interval AS interval))"
)


async def set_up_timescale(connection: AsyncConnection, settings: TimescaleSettings, metadata: MetaData) -> list[str]:
    """Bring the database in line with the settings: extension, hypertables, columnstore, retention, in this order.

    Each step is committed by itself, and all of it may be run again: a failure half-way costs a repetition.
    A variable that is not set changes nothing in a hypertable that exists: a machine without production's settings
    takes no policy away.

    Args:
        connection: A migrator's in its turn, without the limits of requests, as the role that owns the tables.
        settings: The state to reach.
        metadata: The tables of the application, all of them.

    Returns:
        What was changed, in sentences.

    Raises:
        ConfigurationError: The server cannot do it, or refused it; the message names the next step.
    """
    hypertables = declared_hypertables(metadata)
    async with AsyncSession(connection) as session:
        return [
            *await create_extension(session),
            *await create_hypertables(session, hypertables, settings),
            *await setup_compression_policies(session, hypertables, settings),
            *await setup_retention_policies(session, hypertables, settings),
        ]


async def create_hypertables(
    session: AsyncSession, hypertables: Iterable[Hypertable], settings: TimescaleSettings
) -> list[str]:
    """Make hypertables of plain tables, rows included, and give new chunks the interval that is asked for.

    Each table is a transaction of its own, which locks it until its rows are moved. A table that is not there yet is
    left for the run after its migration. Chunks that exist keep their interval.

    Returns:
        What was changed, in sentences.

    Raises:
        ConfigurationError: The server refused it.
    """
    interval = timedelta(hours=settings.chunk_interval_hours)
    changes: list[str] = []
    for hypertable in hypertables:
        async with step(session):
            if not await hypertable.exists(session):
                continue
            current = await session.scalar(_INTERVAL, {"name": hypertable.name})
            if current is None:
                facts = {"name": hypertable.name, "time": hypertable.time, "interval": interval}
                await session.execute(_CREATE, facts)
                changes.append(f"{hypertable.name}: made a hypertable, a chunk for every {_hours(interval)}")
            elif current != interval and "chunk_interval_hours" in settings.model_fields_set:
                await session.execute(_CHANGE, {"name": hypertable.name, "interval": interval})
                changes.append(f"{hypertable.name}: new chunks are for {_hours(interval)}, not {_hours(current)}")
    return changes


def _hours(interval: timedelta) -> str:
    return f"{interval.total_seconds() / 3600:g} h"
