"""Tables and columns that no model has any more: how much is in them, and what becomes of them."""

import sys
from collections.abc import Collection, Iterable
from typing import NamedTuple

import typer
from alembic.operations.ops import DropColumnOp, DropTableOp
from rich.text import Text
from sqlalchemy import Connection, column, func, inspect, literal, select, table

from app.cli.output import err
from app.core.exceptions import ConfigurationError
from devtools.migrations.operations import Comparison, flat

# Counting every row of a large table takes minutes, and the decision is the same.
_COUNTED = 100_000


class Loss(NamedTuple):
    """A table or a column that a migration would drop.

    Attributes:
        name: `table` or `table.column`, with the schema before it unless it is the usual one.
        size: Its rows, or for a column those that have a value; one more than `_COUNTED` when there are more.
        operation: The operation that drops it.
    """

    name: str
    size: int
    operation: DropTableOp | DropColumnOp

    def __str__(self) -> str:
        noun = "row" if isinstance(self.operation, DropTableOp) else "value"
        if self.size > _COUNTED:
            return f"{self.name} (more than {_COUNTED} {noun}s)"
        return f"{self.name} ({self.size} {noun}{'' if self.size == 1 else 's'})"


def measure(connection: Connection, comparison: Comparison) -> list[Loss]:
    """Return what a migration would drop, tables first."""
    drops = [each for each in flat(comparison.operations) if isinstance(each, DropTableOp | DropColumnOp)]
    losses = [Loss(name_of(each), _count(connection, each), each) for each in drops]
    return sorted(losses, key=lambda loss: (isinstance(loss.operation, DropColumnOp), loss.name))


def list_references(connection: Connection, schemas: Collection[str | None]) -> frozenset[tuple[str, str]]:
    """Return the tables that refer to others: from which, to which."""
    return frozenset(
        (_spelt(schema, name), _spelt(key["referred_schema"], key["referred_table"]))
        for schema in schemas
        for (_, name), keys in inspect(connection).get_multi_foreign_keys(schema=schema).items()
        for key in keys
    )


def decide(
    losses: list[Loss], *, drop: Collection[str], keep: Collection[str]
) -> tuple[frozenset[str], frozenset[str]]:
    """Return the names that go and those that stay; what the arguments do not say is asked.

    Raises:
        ConfigurationError: The names make no sense, or there is no terminal to ask at.
    """
    if both := sorted(set(drop) & set(keep)):
        raise ConfigurationError(f"{both[0]} cannot be dropped and kept.", next_step="Choose one of them.")
    if unknown := sorted({*drop, *keep} - {loss.name for loss in losses}):
        raise ConfigurationError(
            f"No migration would drop {', '.join(unknown)}: nothing was written.",
            next_step=f"Decide about {_listed(losses)}." if losses else "Leave --drop and --keep out.",
        )
    dropped, kept = set(drop), set(keep)
    undecided = [loss for loss in losses if loss.name not in dropped | kept]
    if undecided and not sys.stdin.isatty():
        raise ConfigurationError(
            f"No model has {_listed(undecided)} any more, and there is no terminal to ask at what becomes of it: "
            "nothing was written.",
            next_step="Repeat this with --drop NAME or --keep NAME for each; for what was only renamed, see "
            "CONTRIBUTING.md.",
        )
    if undecided:
        err.print(Text(f"No model has these any more, but the database does: {_listed(undecided)}."))
    for loss in undecided:
        (dropped if _ask_to_drop(loss) else kept).add(loss.name)
    return frozenset(dropped), frozenset(kept)


def name_of(operation: DropTableOp | DropColumnOp) -> str:
    """Return the name of what an operation drops."""
    name = _spelt(operation.schema, operation.table_name)
    return f"{name}.{operation.column_name}" if isinstance(operation, DropColumnOp) else name


def _spelt(schema: str | None, name: str) -> str:
    return f"{schema}.{name}" if schema else name


def _count(connection: Connection, operation: DropTableOp | DropColumnOp) -> int:
    rows = select(literal(1)).select_from(table(operation.table_name, schema=operation.schema)).limit(_COUNTED + 1)
    if isinstance(operation, DropColumnOp):
        rows = rows.where(column(operation.column_name).is_not(None))
    return connection.scalar(select(func.count()).select_from(rows.subquery())) or 0


def _ask_to_drop(loss: Loss) -> bool:
    import questionary  # noqa: PLC0415 — a whole terminal toolkit, for this question alone

    answer = questionary.select(
        f"{loss}:",
        choices=[
            questionary.Choice("keep it; migrations leave it alone from now on", value=False),
            questionary.Choice("drop it, with all that is in it, wherever the migration is applied", value=True),
        ],
    ).ask()
    if answer is None:
        err.print("nothing was written")
        raise typer.Exit(1)
    return bool(answer)


def _listed(losses: Iterable[Loss]) -> str:
    return ", ".join(map(str, losses))
