"""What TimescaleDB does by itself with chunks of a certain age: converts them to columns, drops them."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final

from sqlalchemy import Row, TextClause, text

from app.core.database import WriteSession
from app.core.timescale.declaration import Hypertable
from app.core.timescale.extension import find_extension
from app.core.timescale.hypertables import has_table
from app.core.timescale.turns import Limits, take_turn

_TABLE: Final = "CAST(CAST(:name AS text) AS regclass)"


@dataclass(frozen=True, kw_only=True)
class _Policy:
    """A kind of policy.

    Attributes:
        procedure: What its job runs.
        setting: What the job's configuration calls the age.
        add: Takes the table and the age.
        remove: Takes the table.
        done: What is done with chunks of that age, in a word or two.
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
    session: WriteSession,
    hypertables: Iterable[Hypertable],
    *,
    after: timedelta | None,
    limits: Limits,
    keep: bool = False,
) -> list[str]:
    """Have chunks converted to the columnstore once they are old enough.

    Chunks that are converted already stay as they are, also where a declaration has changed.

    Args:
        session: Of a role that owns the tables. Each table is a transaction of its own.
        hypertables: The declared ones.
        after: Age of a chunk's newest moment; None: never, which removes a policy that is there.
        limits: What a step may take.
        keep: Leave the policy of a table alone that has had a columnstore before.

    Returns:
        What was changed, in sentences.

    Raises:
        ConfigurationError: The server refused it, or has no policies.
    """
    changes: list[str] = []
    for hypertable in hypertables:
        async with take_turn(session, limits):
            current = (await session.execute(_COLUMNS, {"name": hypertable.name})).one_or_none()
            if after is not None and await has_table(session, hypertable):
                changes += await _arrange_columns(session, hypertable, current)
            if not (keep and current is not None and current.order_by):
                changes += await _set(session, hypertable, _COLUMNSTORE, after)
    return changes


async def setup_retention_policies(
    session: WriteSession, hypertables: Iterable[Hypertable], *, after: timedelta | None, limits: Limits
) -> list[str]:
    """Have chunks dropped once they are old enough, whole and for good.

    Args:
        session: Of a role that owns the tables. Each table is a transaction of its own.
        hypertables: The declared ones.
        after: Age of a chunk's newest moment; None: never, which removes a policy that is there.
        limits: What a step may take.

    Returns:
        What was changed, in sentences.

    Raises:
        ConfigurationError: The server refused it, or has no policies.
    """
    changes: list[str] = []
    for hypertable in hypertables:
        async with take_turn(session, limits):
            changes += await _set(session, hypertable, _RETENTION, after)
    return changes


async def _arrange_columns(session: WriteSession, hypertable: Hypertable, current: Row[Any] | None) -> list[str]:
    """Say how the columnstore keeps a table's rows, unless it does so already: the change locks the table."""
    (await find_extension(session)).require_policies()
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


async def _set(session: WriteSession, hypertable: Hypertable, policy: _Policy, after: timedelta | None) -> list[str]:
    """Add, change or remove a policy. One that is right is not touched: its job keeps its history and its schedule."""
    if not await has_table(session, hypertable):
        return []
    name = {"name": hypertable.name}
    facts = {**name, "setting": policy.setting, "procedure": policy.procedure}
    current: timedelta | None = await session.scalar(_CURRENT, facts)
    if current == after:
        return []
    if current is not None:
        # `if_not_exists` would leave the old age as it is.
        await session.execute(policy.remove, name)
    if after is None:
        return [f"{hypertable.name}: chunks are no longer {policy.done}"]
    (await find_extension(session)).require_policies()
    await session.execute(policy.add, {**name, "after": after})
    return [f"{hypertable.name}: chunks are {policy.done} after {after.days} days"]
