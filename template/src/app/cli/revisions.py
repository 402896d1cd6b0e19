"""Models compared with the database, and the difference written as a migration."""

from collections.abc import Collection, Iterator
from graphlib import CycleError, TopologicalSorter

from alembic.operations.ops import AlterColumnOp, DropColumnOp, DropTableOp, MigrateOperation, ModifyTableOps
from rich.text import Text

from app.cli import migrations
from app.cli.kept import FILE_NAME, read_kept, write_kept
from app.cli.losses import Loss, Losses, measure, name_of
from app.cli.operations import Comparison, Sql
from app.cli.output import err, out, working
from app.core.config import DatabaseSettings
from app.core.config.loading import project_folder
from app.core.exceptions import ConfigurationError
from app.models.domain import load_metadata


def write_revision(database: DatabaseSettings, message: str, *, drop: Collection[str], keep: Collection[str]) -> None:
    """Write a migration, when it is decided what it may drop; before that, nothing is written.

    Args:
        database: To compare with.
        message: The purpose of the migration.
        drop: `table` or `table.column`: what may go, even if it was kept until now.
        keep: What stays.

    Raises:
        ConfigurationError: The database is behind, something is undecided, or a difference cannot be made by a
            migration where there are rows.
    """
    folder = project_folder() / "migrations"
    listed = read_kept(folder)
    with working("Comparing …"):
        migrations.require_current(database)
        returned = listed & _names_in_models()
        kept = listed - returned - set(drop)
        comparison = _compared(database, kept=kept)
        losses = measure(database, comparison)
    if comparison.refusals:
        raise ConfigurationError(
            f"No migration can do this where there are rows; nothing was written: {_lines(comparison.refusals)}",
            next_step="Change the models in steps that rows survive, and run the command again.",
        )
    dropped, chosen = losses.decide(drop=drop, keep=set(keep) - kept)
    kept = frozenset(
        name for name in kept | chosen if not any(name == gone or name.startswith(f"{gone}.") for gone in dropped)
    )
    losses.require_no_reference(dropped=dropped, kept=kept)
    with working("Writing …"):
        path = _write(database, message, losses, kept=kept)
        if kept != listed:
            write_kept(folder, kept)
    for name in sorted(returned):
        out.print(Text(f"{name} is in the models again: taken off the list of what is kept"))
    for name in sorted(chosen):
        out.print(Text(f"{name} stays: listed in {folder.name}/{FILE_NAME}, which belongs in git"))
    for loss in losses.items:
        if loss.name in dropped:
            out.print(Text(f"{loss} goes when this migration is applied"))
    _tell(comparison)
    nothing = f"the models and the database agree{', but for what is kept' if kept else ''}: nothing to write"
    out.print(Text(f"wrote {path}" if path else nothing))


def check(database: DatabaseSettings) -> None:
    """Compare the models with the database.

    Raises:
        ConfigurationError: Migrations are pending, there are differences, or an index is invalid.
    """
    with working("Comparing …"):
        migrations.require_current(database)
        comparison = _compared(database, kept=None)
    _tell(comparison)
    migrations.require_valid_indexes(database)
    if not comparison.agree:
        code = [] if comparison.operations.is_empty() else comparison.code.splitlines()
        raise ConfigurationError(
            f"The models have changes that no migration makes: {_lines([*code, *comparison.refusals])}",
            next_step='Write one with `app db revision -m "…"`.',
        )
    out.print("the models and the database agree")


def _compared(database: DatabaseSettings, *, kept: Collection[str] | None) -> Comparison:
    seen: list[Comparison] = []
    migrations.revise(database, "compare", kept=kept, review=seen.append)
    return seen[0]


def _write(database: DatabaseSettings, message: str, losses: Losses, *, kept: Collection[str]) -> str | None:
    def review(comparison: Comparison) -> bool:
        operations = comparison.operations.ops
        operations.extend(_optional(loss) for loss in losses.items if loss.name in kept and _is_required(loss))
        operations[:] = list(_in_order(operations, losses.references))
        return bool(operations)

    return migrations.revise(database, message, kept=kept, review=review)


def _in_order(
    operations: Collection[MigrateOperation], references: Collection[tuple[str, str]]
) -> Iterator[MigrateOperation]:
    """Tables go after all else but their types, and each before those it refers to: Alembic has them in no order."""
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
    yield from (each for each in operations if not isinstance(each, DropTableOp) and each not in last)
    yield from (drops[name] for name in order)
    yield from last


def _is_required(loss: Loss) -> bool:
    """Return whether a kept column refuses a row without a value, which no model will give it from now on."""
    if isinstance(loss.operation, DropTableOp):
        return False
    dropped = loss.operation.to_column()
    return not dropped.nullable and dropped.server_default is None


def _optional(loss: Loss) -> ModifyTableOps:
    operation = loss.operation
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


def _names_in_models() -> frozenset[str]:
    tables = load_metadata().sorted_tables
    columns = (f"{each.fullname}.{one.name}" for each in tables for one in each.columns)
    return frozenset((*(each.fullname for each in tables), *columns))


def _tell(comparison: Comparison) -> None:
    for warning in comparison.warnings:
        err.print(Text(f"mind: {warning}"))
    for note in comparison.notes:
        out.print(Text(f"not compared: {note}"))


def _lines(found: Collection[str]) -> str:
    return "".join(f"\n  {line.strip()}" for line in found)
