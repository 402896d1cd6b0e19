"""Tables and columns that no model has any more: how much is in them, and what becomes of them."""

import asyncio
import sys
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import NamedTuple

import typer
from alembic.operations.ops import DropColumnOp, DropTableOp
from rich.text import Text
from sqlalchemy import Connection, column, func, inspect, literal, select, table

from app.cli.operations import Comparison, flat
from app.cli.output import err
from app.core.config import DatabaseSettings
from app.core.database import migration_engine
from app.core.exceptions import ConfigurationError

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


@dataclass(frozen=True)
class Losses:
    """All that a migration would drop.

    Attributes:
        items: What it is.
        references: The tables that refer to others: from which, to which.
    """

    items: tuple[Loss, ...]
    references: frozenset[tuple[str, str]]

    def decide(self, *, drop: Collection[str], keep: Collection[str]) -> tuple[frozenset[str], frozenset[str]]:
        """Return the names that go and those that stay; whatever has not been said is asked.

        Raises:
            ConfigurationError: The names make no sense, or there is no terminal to ask at.
        """
        self._require_sense(drop=drop, keep=keep)
        dropped = {loss.name for loss in self.items if loss.name in drop}
        chosen = {loss.name for loss in self.items if loss.name in keep}
        open_ones = [loss for loss in self.items if loss.name not in dropped | chosen]
        if open_ones and not sys.stdin.isatty():
            raise ConfigurationError(
                f"No model has {_listed(open_ones)} any more, and nobody can be asked what becomes of it: "
                "nothing was written.",
                next_step="Repeat this with --drop NAME or --keep NAME for each; for what was only renamed, see "
                "CONTRIBUTING.md.",
            )
        if open_ones:
            err.print(Text(f"No model has these any more, but the database does: {_listed(open_ones)}."))
        for loss in open_ones:
            (dropped if _is_to_go(loss) else chosen).add(loss.name)
        return frozenset(dropped), frozenset(chosen)

    def require_no_reference(self, *, dropped: Collection[str], kept: Collection[str]) -> None:
        """Fail when a table that stays refers to one that goes, which the server would refuse."""
        for origin, target in sorted(self.references):
            if origin in kept and target in dropped:
                raise ConfigurationError(
                    f"{origin} stays and refers to {target}, which cannot go without it: nothing was written.",
                    next_step=f"Keep both, or drop both: `--drop {origin} --drop {target}`.",
                )

    def _require_sense(self, *, drop: Collection[str], keep: Collection[str]) -> None:
        known = {loss.name for loss in self.items}
        if both := sorted(set(drop) & set(keep)):
            raise ConfigurationError(f"{both[0]} cannot be dropped and kept.", next_step="Choose one of them.")
        if unknown := sorted({*drop, *keep} - known):
            raise ConfigurationError(
                f"No migration would drop {', '.join(unknown)}: nothing was written.",
                next_step=f"Decide about {_listed(self.items)}." if self.items else "Leave --drop and --keep out.",
            )


def measure(database: DatabaseSettings, comparison: Comparison) -> Losses:
    """Return what a migration would drop, and how much that is."""
    drops: list[DropTableOp | DropColumnOp] = [
        each for each in flat(comparison.operations) if isinstance(each, DropTableOp | DropColumnOp)
    ]
    if not drops:
        return Losses((), frozenset())
    drops.sort(key=lambda each: (isinstance(each, DropColumnOp), name_of(each)))

    async def run() -> Losses:
        async with migration_engine(database).connect() as connection:
            items = [Loss(name_of(each), await connection.run_sync(_count, each), each) for each in drops]
            return Losses(tuple(items), await connection.run_sync(_references, {each.schema for each in drops}))

    return asyncio.run(run())


def name_of(operation: DropTableOp | DropColumnOp) -> str:
    """Return the name of what an operation drops."""
    parts = (operation.schema, operation.table_name, getattr(operation, "column_name", None))
    return ".".join(part for part in parts if part)


def _count(connection: Connection, operation: DropTableOp | DropColumnOp) -> int:
    owner = table(operation.table_name, schema=operation.schema)
    rows = select(literal(1)).select_from(owner).limit(_COUNTED + 1)
    if isinstance(operation, DropColumnOp):
        rows = rows.where(column(operation.column_name).is_not(None))
    return connection.scalar(select(func.count()).select_from(rows.subquery())) or 0


def _references(connection: Connection, schemas: Collection[str | None]) -> frozenset[tuple[str, str]]:
    def spelt(schema: str | None, name: str) -> str:
        return f"{schema}.{name}" if schema else name

    return frozenset(
        (spelt(schema, name), spelt(key["referred_schema"], key["referred_table"]))
        for schema in schemas
        for (_, name), keys in inspect(connection).get_multi_foreign_keys(schema=schema).items()
        for key in keys
    )


def _is_to_go(loss: Loss) -> bool:
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
