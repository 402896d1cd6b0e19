"""Hypertables and their policies: `app db upgrade` makes them of the tables that are declared to be, after migrating.

Policies are TimescaleDB's own jobs: it converts chunks of a certain age to columns, or drops them, by itself.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final

from sqlalchemy import MetaData, Row, TextClause, text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncSession

from app.core.config.timescale import TimescaleSettings
from app.core.timescale.extension import Hypertable, create_extension, declared_hypertables, step

_TABLE: Final = "CAST(CAST(:name AS text) AS regclass)"
_INTERVAL: Final = text(
    "SELECT time_interval FROM timescaledb_information.dimensions WHERE dimension_number = 1 "
    "AND to_regclass(format('%I.%I', hypertable_schema, hypertable_name)) = to_regclass(:name)"
)
# Without default indexes: Alembic would find one that no model declares, and want to drop it.
_CREATE: Final = text(
    f"SELECT create_hypertable({_TABLE}, by_range(:time, CAST(:interval AS interval)), "
    "create_default_indexes => false, migrate_data => true)"
)
_CHANGE: Final = text(f"SELECT set_chunk_time_interval({_TABLE}, CAST(:interval AS interval))")


@dataclass(frozen=True, kw_only=True)
class _Policy:
    """A kind of policy: its job, the age in that job's configuration, its statements, and the fate of chunks."""

    procedure: str
    setting: str
    add: TextClause
    remove: TextClause
    done: str


_COLUMNSTORE: Final = _Policy(
    procedure="policy_compression",
    setting="compress_after",
    add=text(f"CALL add_columnstore_policy({_TABLE}, after => CAST(:after AS interval))"),
    remove=text(f"CALL remove_columnstore_policy({_TABLE})"),
    done="converted to columns",
)
_RETENTION: Final = _Policy(
    procedure="policy_retention",
    setting="drop_after",
    add=text(f"SELECT add_retention_policy({_TABLE}, drop_after => CAST(:after AS interval))"),
    remove=text(f"SELECT remove_retention_policy({_TABLE})"),
    done="dropped",
)
_CURRENT: Final = text(
    "SELECT CAST(config ->> :setting AS interval) FROM timescaledb_information.jobs WHERE proc_name = :procedure "
    "AND to_regclass(format('%I.%I', hypertable_schema, hypertable_name)) = to_regclass(:name)"
)
_COLUMNS: Final = text(
    "SELECT coalesce(segmentby, '') AS segment_by, orderby AS order_by "
    "FROM timescaledb_information.hypertable_columnstore_settings WHERE hypertable = to_regclass(:name)"
)
# The server's own quoting: it quotes words, such as "time", that SQLAlchemy leaves alone. The newest come first, which
# is what most queries ask for.
_QUOTED: Final = text(
    "SELECT quote_ident(:time) || ' DESC' AS order_by, coalesce((SELECT string_agg(quote_ident(name), ',' ORDER BY n) "
    "FROM unnest(CAST(:segment_by AS text[])) WITH ORDINALITY AS u(name, n)), '') AS segment_by"
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
    left for the run after its migration. Chunks that exist keep their interval. Returns and raises as above.
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


async def setup_compression_policies(
    session: AsyncSession, hypertables: Iterable[Hypertable], settings: TimescaleSettings
) -> list[str]:
    """Have chunks converted to the columnstore once they are old enough; 0 days remove a policy that is there.

    Chunks that are converted already stay as they are, also where a declaration has changed. A table that has had a
    columnstore before keeps its policy where the setting is left out. Returns and raises as above.
    """
    days, given = settings.compress_after_days, "compress_after_days" in settings.model_fields_set
    changes: list[str] = []
    for hypertable in hypertables:
        async with step(session):
            current = (await session.execute(_COLUMNS, {"name": hypertable.name})).one_or_none()
            if days and await hypertable.exists(session):
                changes += await _arrange_columns(session, hypertable, current)
            if given or current is None or not current.order_by:
                changes += await _set(session, hypertable, _COLUMNSTORE, days)
    return changes


async def setup_retention_policies(
    session: AsyncSession, hypertables: Iterable[Hypertable], settings: TimescaleSettings
) -> list[str]:
    """Have chunks dropped once they are old enough, whole and for good; 0 days remove a policy that is there.

    Policies stay as they are where the setting is left out. Returns and raises as above.
    """
    changes: list[str] = []
    if "drop_after_days" not in settings.model_fields_set:
        return changes
    for hypertable in hypertables:
        async with step(session):
            changes += await _set(session, hypertable, _RETENTION, settings.drop_after_days)
    return changes


async def _arrange_columns(session: AsyncSession, hypertable: Hypertable, current: Row[Any] | None) -> list[str]:
    """Declare the order of a table's columnstore, unless it is declared already: the change locks the table."""
    names = ",".join(hypertable.segment_by)
    quoted = (
        await session.execute(_QUOTED, {"time": hypertable.time, "segment_by": list(hypertable.segment_by)})
    ).one()
    if current is not None and (current.segment_by, current.order_by) == (names, quoted.order_by):
        return []
    await session.execute(
        text(
            f"ALTER TABLE {hypertable.name} SET (timescaledb.enable_columnstore = true, "
            f"timescaledb.segmentby = {_literal(quoted.segment_by)}, timescaledb.orderby = {_literal(quoted.order_by)})"
        )
    )
    return [f"{hypertable.name}: columns by {names or 'chunk'}, ordered by {quoted.order_by}"]


def _literal(value: str) -> str:
    """Return a string literal; a colon would be taken for a parameter."""
    return "'" + value.replace("'", "''").replace(":", "\\:") + "'"


async def _set(session: AsyncSession, hypertable: Hypertable, policy: _Policy, days: int) -> list[str]:
    """Add, change or remove a policy. One that is right is not touched: its job keeps its history and its schedule."""
    if not await hypertable.exists(session):
        return []
    after = timedelta(days=days) if days else None
    name = {"name": hypertable.name}
    current: timedelta | None = await session.scalar(
        _CURRENT, {**name, "setting": policy.setting, "procedure": policy.procedure}
    )
    if current == after:
        return []
    if current is not None:
        # `if_not_exists` would leave the old age as it is.
        await session.execute(policy.remove, name)
    if after is None:
        return [f"{hypertable.name}: chunks are no longer {policy.done}"]
    await session.execute(policy.add, {**name, "after": after})
    return [f"{hypertable.name}: chunks are {policy.done} after {days} days"]


def _hours(interval: timedelta) -> str:
    return f"{interval.total_seconds() / 3600:g} h"
