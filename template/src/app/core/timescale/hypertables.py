"""Making hypertables of the tables that are declared to be."""

from collections.abc import Iterable
from datetime import timedelta
from typing import Final

from sqlalchemy import text

from app.core.database import WriteSession
from app.core.timescale.declaration import Hypertable
from app.core.timescale.turns import Limits, take_turn

_EXISTS: Final = text("SELECT to_regclass(:name) IS NOT NULL")
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


async def create_hypertables(
    session: WriteSession,
    hypertables: Iterable[Hypertable],
    *,
    chunk_interval: timedelta,
    limits: Limits,
    keep: bool = False,
) -> list[str]:
    """Make hypertables of plain tables, rows included, and give new chunks the interval that is asked for.

    A table that is not there yet is left for the run after its migration. Chunks that exist keep their interval.

    Args:
        session: Of a role that owns the tables. Each table is a transaction of its own.
        hypertables: The declared ones.
        chunk_interval: Time that a new chunk covers.
        limits: What a step may take. Converting a table that has rows locks it until they are moved.
        keep: Leave the interval of a table alone that is a hypertable already.

    Returns:
        What was changed, in sentences.

    Raises:
        ConfigurationError: The server refused it.
    """
    changes: list[str] = []
    for hypertable in hypertables:
        async with take_turn(session, limits):
            change = await _create(session, hypertable, chunk_interval, keep=keep)
        changes += [change] if change else []
    return changes


async def has_table(session: WriteSession, hypertable: Hypertable) -> bool:
    """Return True once a migration has made the table."""
    return bool(await session.scalar(_EXISTS, {"name": hypertable.name}))


async def _create(session: WriteSession, hypertable: Hypertable, interval: timedelta, *, keep: bool) -> str | None:
    if not await has_table(session, hypertable):
        return None
    facts = {"name": hypertable.name, "time": hypertable.time, "interval": interval}
    current = await session.scalar(_INTERVAL, {"name": hypertable.name})
    if current is None:
        await session.execute(_CREATE, facts)
        return f"{hypertable.name}: made a hypertable, a chunk for every {_hours(interval)}"
    if current != interval and not keep:
        await session.execute(_CHANGE, {"name": hypertable.name, "interval": interval})
        return f"{hypertable.name}: new chunks are for {_hours(interval)}, not {_hours(current)}"
    return None


def _hours(interval: timedelta) -> str:
    return f"{interval.total_seconds() / 3600:g} h"
