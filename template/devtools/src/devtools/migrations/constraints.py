"""Constraints and indexes that differ from their models: made anew."""

import re
from collections.abc import Collection, Iterator

from sqlalchemy import Table

from devtools.migrations.catalogs import Pair, quote, quote_table
from devtools.migrations.operations import Sql

# Alembic compares their presence, and some of what they are.
_ALEMBICS = frozenset({"u", "index"})
_KINDS = _ALEMBICS | {"c", "x", "p"}


def change_constraints(
    table: Table, pair: Pair, *, by_alembic: Collection[str | None], kept: Collection[str]
) -> Iterator[Sql]:
    """Yield what drops and makes constraints and indexes, but for keys to other tables, which Alembic compares.

    Args:
        table: The model's table.
        pair: The same in the server's words.
        by_alembic: The names that Alembic has operations for.
        kept: Columns that stay without a model, and their constraints with them.
    """
    renamed = _find_renamed(pair)
    for before, after in renamed.items():
        yield Sql(_rename(table, before, after), _rename(table, after, before), order=1)
    for kind, name in sorted(key for key in pair.model.keys() | pair.database.keys() if key[0] in _KINDS):
        if kind not in _ALEMBICS and name in {*renamed, *renamed.values()}:
            continue
        new, old = (definition and _make(table, kind, name, definition) for definition in pair.both(kind, name))
        if new == old or (kind in _ALEMBICS and (not new or not old or name in by_alembic)):
            continue
        gone = _drop(table, kind, name)
        if old and (new or not _concerns_kept(table, old, kept)):
            yield Sql(gone, old, order=-1)
        if new:
            yield Sql(new, gone, order=1)


def _find_renamed(pair: Pair) -> dict[str, str]:
    """Return the new names of constraints: a primary key that others refer to cannot be made anew."""
    return {
        old: new
        for kind, old in pair.database.keys() - pair.model.keys()
        for of_kind, new in pair.model.keys() - pair.database.keys()
        if kind == of_kind and kind in _KINDS - _ALEMBICS and pair.model[kind, new] == pair.database[kind, old]
    }


def _make(table: Table, kind: str, name: str, definition: str) -> str:
    if kind == "index":
        return re.sub(r" ON .*? USING ", lambda _: f" ON {quote_table(table)} USING ", definition, count=1)
    return f"ALTER TABLE {quote_table(table)} ADD CONSTRAINT {quote(name)} {definition}"


def _drop(table: Table, kind: str, name: str) -> str:
    if kind == "index":
        return f"DROP INDEX {'.'.join(quote(part) for part in (table.schema, name) if part)}"
    return f"ALTER TABLE {quote_table(table)} DROP CONSTRAINT {quote(name)}"


def _rename(table: Table, old: str, new: str) -> str:
    return f"ALTER TABLE {quote_table(table)} RENAME CONSTRAINT {quote(old)} TO {quote(new)}"


def _concerns_kept(table: Table, definition: str, kept: Collection[str]) -> bool:
    columns = (name.rpartition(".")[2] for name in kept if name.startswith(f"{table.fullname}."))
    return any(re.search(rf"\b{re.escape(column)}\b", definition) for column in columns)
