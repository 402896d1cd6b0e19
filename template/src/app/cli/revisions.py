"""New migrations, and what they would take out of the database with everything that is in it."""

import asyncio
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter
from typing import NamedTuple

from alembic.operations.ops import (
    AlterColumnOp,
    DropColumnOp,
    DropTableOp,
    MigrateOperation,
    MigrationScript,
    ModifyTableOps,
    UpgradeOps,
)
from sqlalchemy import Connection, column, func, inspect, literal, select, table

from app.cli import migrations
from app.core.config import DatabaseSettings
from app.core.database import migration_engine
from app.models.domain import load_metadata

# Counting every row of a large table takes minutes, and the decision is the same.
_COUNTED = 100_000


class Loss(NamedTuple):
    """A table or a column that a migration would drop.

    Attributes:
        name: `table` or `table.column`.
        size: Its rows, or for a column those that have a value; one more than `_COUNTED` when there are more.
    """

    name: str
    size: int

    @property
    def is_column(self) -> bool:
        """Whether it is a part of a table that stays."""
        return "." in self.name

    def __str__(self) -> str:
        noun = "value" if self.is_column else "row"
        if self.size > _COUNTED:
            return f"{self.name} (more than {_COUNTED} {noun}s)"
        return f"{self.name} ({self.size} {noun}{'' if self.size == 1 else 's'})"


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """What of the database the models no longer have.

    Attributes:
        losses: What a migration would drop.
        references: The tables that refer to others: who, and to whom.
        operations: The operation that drops a column, by the column's name.
    """

    losses: tuple[Loss, ...]
    references: frozenset[tuple[str, str]]
    operations: dict[str, DropColumnOp]


def compare(database: DatabaseSettings, *, kept: Collection[str]) -> Comparison:
    """Compare the models with the database; nothing is written.

    Args:
        database: Where it is.
        kept: What is left alone.

    Raises:
        ConfigurationError: The database is not at the newest revision.
    """
    seen: list[MigrationScript] = []
    migrations.revise(database, "compare", kept=kept, review=seen.append)
    columns: dict[str, DropColumnOp] = {}
    tables: list[str] = []
    for operation in _flat(seen[0].upgrade_ops) if seen else ():
        if isinstance(operation, DropTableOp):
            tables.append(operation.table_name)
        elif isinstance(operation, DropColumnOp):
            columns[f"{operation.table_name}.{operation.column_name}"] = operation
    if not tables and not columns:
        return Comparison(losses=(), references=frozenset(), operations={})
    losses, references = asyncio.run(_measure(database, [*sorted(tables), *sorted(columns)]))
    return Comparison(losses=losses, references=references, operations=columns)


def write(database: DatabaseSettings, message: str, comparison: Comparison, *, kept: Collection[str]) -> str | None:
    """Write a migration.

    Args:
        database: Where it is, at the newest revision.
        message: What the migration does.
        comparison: What would be dropped were nothing kept.
        kept: What is left alone.

    Returns:
        The path of the new file; None when there is nothing to change.
    """

    def review(script: MigrationScript) -> bool:
        operations = script.upgrade_ops
        if operations is None or script.downgrade_ops is None:
            return False
        operations.ops[:] = list(_in_order(operations, comparison.references))
        operations.ops.extend(_optional(comparison.operations[name]) for name in _required(comparison, kept))
        operations.reverse_into(script.downgrade_ops)
        return not operations.is_empty()

    return migrations.revise(database, message, kept=kept, review=review)


def names_in_models() -> frozenset[str]:
    """Every table, and every column as `table.column`."""
    tables = load_metadata().sorted_tables
    columns = (f"{each.name}.{one.name}" for each in tables for one in each.columns)
    return frozenset((*(each.name for each in tables), *columns))


def _flat(operations: UpgradeOps | None) -> Iterator[MigrateOperation]:
    for operation in operations.ops if operations else ():
        if isinstance(operation, ModifyTableOps):
            yield from operation.ops
        else:
            yield operation


def _in_order(operations: UpgradeOps, references: Collection[tuple[str, str]]) -> Iterator[MigrateOperation]:
    """Tables go last, and each before those it refers to: Alembic has them in no order."""
    drops = {each.table_name: each for each in operations.ops if isinstance(each, DropTableOp)}
    before: dict[str, set[str]] = {name: set() for name in sorted(drops)}
    for who, whom in references:
        if who in drops and whom in drops and who != whom:
            before[whom].add(who)
    try:
        order = list(TopologicalSorter(before).static_order())
    except CycleError:
        order = list(drops)
    yield from (each for each in operations.ops if not isinstance(each, DropTableOp))
    yield from (drops[name] for name in order)


def _required(comparison: Comparison, kept: Collection[str]) -> Iterator[str]:
    """Kept columns that refuse a row without a value, which nobody will give them from now on."""
    for name, operation in comparison.operations.items():
        dropped = operation.to_column()
        if name in kept and not dropped.nullable and dropped.server_default is None:
            yield name


def _optional(operation: DropColumnOp) -> ModifyTableOps:
    was = operation.to_column()
    change = AlterColumnOp(
        operation.table_name,
        operation.column_name,
        existing_type=was.type,
        existing_nullable=False,
        modify_nullable=True,
    )
    return ModifyTableOps(operation.table_name, [change])


async def _measure(
    database: DatabaseSettings, names: Collection[str]
) -> tuple[tuple[Loss, ...], frozenset[tuple[str, str]]]:
    async with migration_engine(database).connect() as connection:
        losses = tuple([Loss(name, await connection.run_sync(_count, name)) for name in names])
        return losses, await connection.run_sync(_references)


def _count(connection: Connection, name: str) -> int:
    owner, _, part = name.partition(".")
    rows = select(literal(1)).select_from(table(owner)).limit(_COUNTED + 1)
    if part:
        rows = rows.where(column(part).is_not(None))
    return connection.scalar(select(func.count()).select_from(rows.subquery())) or 0


def _references(connection: Connection) -> frozenset[tuple[str, str]]:
    found = inspect(connection).get_multi_foreign_keys()
    return frozenset((name, key["referred_table"]) for (_, name), keys in found.items() for key in keys)
