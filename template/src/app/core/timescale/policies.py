"""Policies: chunks of a certain age that TimescaleDB converts to columns, or drops, by itself."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final

from sqlalchemy import Row, TextClause, text
from sqlalchemy.ext.asyncio import AsyncSession

from app.core.config.timescale import TimescaleSettings
from app.core.timescale.declaration import Hypertable
from app.core.timescale.extension import step

_TABLE: Final = "CAST(CAST(:name AS text) AS regclass)"


@dataclass(frozen=True, kw_only=True)
class _Policy:
    """A kind of policy.

    Attributes:
        procedure: The name of its job.
        setting: The name of the age in the job's configuration.
        add: The statement that adds one, for a table and an age.
        remove: The statement that removes a table's.
        done: The fate of chunks of that age, in a word or two.
    """

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


async def setup_compression_policies(
    session: AsyncSession, hypertables: Iterable[Hypertable], settings: TimescaleSettings
) -> list[str]:
    """Have chunks converted to the columnstore once they are old enough; 0 days remove a policy that is there.

    Chunks that are converted already stay as they are, also where a declaration has changed. A table that has had a
    columnstore before keeps its policy where the setting is left out.

    Returns:
        What was changed, in sentences.

    Raises:
        ConfigurationError: The server refused it, as the Apache edition does.
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

    Policies stay as they are where the setting is left out.

    Returns:
        What was changed, in sentences.

    Raises:
        ConfigurationError: The server refused it, as the Apache edition does.
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
