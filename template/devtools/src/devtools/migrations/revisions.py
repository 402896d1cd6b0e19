"""`app db revision` and `app db check`, from the comparison to the file or the verdict."""

import asyncio
from collections.abc import Callable, Collection
from graphlib import CycleError, TopologicalSorter
from typing import TypeVar

from alembic.operations.ops import AlterColumnOp, DropColumnOp, DropTableOp, MigrateOperation, ModifyTableOps
from alembic.script import ScriptDirectory
from alembic.util import rev_id
from rich.text import Text
from sqlalchemy import Connection

from app.cli.migrations import alembic_config
from app.cli.output import err, out, working
from app.core.config import DatabaseSettings
from app.core.database import migration_engine
from app.core.exceptions import ConfigurationError
from app.models.domain import load_metadata
from devtools.migrations.comparison import compare
from devtools.migrations.kept import PLACE, read_kept, write_kept
from devtools.migrations.losses import Loss, decide, list_references, measure, name_of
from devtools.migrations.operations import Comparison, Sql, render, reverse

T = TypeVar("T")


def write_revision(database: DatabaseSettings, message: str, *, drop: Collection[str], keep: Collection[str]) -> None:
    """Write a migration, when it is decided what it may drop; before that, nothing is written.

    Args:
        database: To compare with; every migration is applied.
        message: The purpose of the migration.
        drop: `table` or `table.column`: what may go, even if it was kept until now.
        keep: What stays.

    Raises:
        ConfigurationError: Something is undecided, or a migration cannot make a difference where there are rows.
    """
    metadata = load_metadata()
    listed = read_kept()
    names = {table.fullname for table in metadata.sorted_tables}
    names |= {f"{table.fullname}.{column.name}" for table in metadata.sorted_tables for column in table.columns}
    returned = listed & names
    kept = listed - returned - set(drop)
    with working("Comparing …"):
        comparison = _on(database, lambda connection: compare(connection, metadata, kept=kept))
        losses = _on(database, lambda connection: measure(connection, comparison))
        schemas = {loss.operation.schema for loss in losses}
        references = _on(database, lambda connection: list_references(connection, schemas))
    if comparison.refusals:
        raise ConfigurationError(
            f"No migration can do this where there are rows; nothing was written: {_lines(comparison.refusals)}",
            next_step="Change the models in steps that rows survive, and run the command again.",
        )
    dropped, chosen = decide(losses, drop=drop, keep=set(keep) - kept)
    kept = frozenset(name for name in kept | chosen if dropped.isdisjoint((name, name.rpartition(".")[0])))
    for origin, target in sorted(references):
        if origin in kept and target in dropped:
            raise ConfigurationError(
                f"{origin} stays and refers to {target}, which cannot go without it: nothing was written.",
                next_step=f"Keep both, or drop both: `--drop {origin} --drop {target}`.",
            )
    with working("Writing …"):
        # Once more: types, constraints and indexes of what is kept stay, too.
        comparison = _on(database, lambda connection: compare(connection, metadata, kept=kept))
        optional = [_optional(loss.operation) for loss in losses if loss.name in kept and _is_required(loss)]
        path = _write(message, _in_order([*comparison.operations, *optional], references))
        if kept != listed:
            write_kept(kept)
    for name in sorted(returned):
        out.print(Text(f"{name} is in the models again: taken off the list of what is kept"))
    for name in sorted(chosen):
        out.print(Text(f"{name} stays: listed in {PLACE}, which belongs in git"))
    for loss in losses:
        if loss.name in dropped:
            out.print(Text(f"{loss} goes when this migration is applied"))
    _tell(comparison)
    nothing = f"the models and the database agree{', but for what is kept' if kept else ''}: nothing to write"
    out.print(Text(f"wrote {path}" if path else nothing))


def check(database: DatabaseSettings) -> None:
    """Compare the models with the database.

    Raises:
        ConfigurationError: There are differences.
    """
    with working("Comparing …"):
        kept = read_kept()
        comparison = _on(database, lambda connection: compare(connection, load_metadata(), kept=kept))
    _tell(comparison)
    if comparison.operations or comparison.refusals:
        code = render(comparison.operations).splitlines() if comparison.operations else []
        raise ConfigurationError(
            f"The models have changes that no migration makes: {_lines([*code, *comparison.refusals])}",
            next_step='Write one with `app db revision -m "…"`.',
        )
    out.print("the models and the database agree")


def _on(database: DatabaseSettings, work: Callable[[Connection], T]) -> T:
    async def run() -> T:
        async with migration_engine(database).connect() as connection:
            return await connection.run_sync(work)

    return asyncio.run(run())


def _write(message: str, operations: list[MigrateOperation]) -> str | None:
    if not operations:
        return None
    upgrade, downgrade = render(operations), render(reverse(operations))
    imports = "from sqlalchemy.dialects import postgresql" if "postgresql." in upgrade + downgrade else ""
    with alembic_config() as config:
        script = ScriptDirectory.from_config(config).generate_revision(
            rev_id(), message, upgrades=upgrade, downgrades=downgrade, imports=imports
        )
    return script.path if script else None


def _in_order(operations: list[MigrateOperation], references: Collection[tuple[str, str]]) -> list[MigrateOperation]:
    """Put tables after all else but their types, and each before those it refers to: Alembic has them in no order."""
    drops = {name_of(each): each for each in operations if isinstance(each, DropTableOp)}
    before: dict[str, set[str]] = {name: set() for name in sorted(drops)}
    for origin, target in references:
        if origin in drops and target in drops and origin != target:
            before[target].add(origin)
    try:
        order = list(TopologicalSorter(before).static_order())
    except CycleError:
        order = list(drops)
    last = [each for each in operations if isinstance(each, Sql) and each.order > 0]
    first = [each for each in operations if not isinstance(each, DropTableOp) and each not in last]
    return [*first, *(drops[name] for name in order), *last]


def _is_required(loss: Loss) -> bool:
    """Return True for a kept column that refuses a row without a value, which no model gives it from now on."""
    if isinstance(loss.operation, DropTableOp):
        return False
    dropped = loss.operation.to_column()
    return not dropped.nullable and dropped.server_default is None


def _optional(operation: DropTableOp | DropColumnOp) -> ModifyTableOps:
    assert isinstance(operation, DropColumnOp)  # noqa: S101 — for the type alone
    change = AlterColumnOp(
        operation.table_name,
        operation.column_name,
        schema=operation.schema,
        existing_type=operation.to_column().type,
        existing_nullable=False,
        modify_nullable=True,
    )
    return ModifyTableOps(operation.table_name, [change], schema=operation.schema)


def _tell(comparison: Comparison) -> None:
    for warning in comparison.warnings:
        err.print(Text(f"mind: {warning}"))
    for note in comparison.notes:
        out.print(Text(f"not compared: {note}"))


def _lines(found: Collection[str]) -> str:
    return "".join(f"\n  {line.strip()}" for line in found)
