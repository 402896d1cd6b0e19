"""Columns that differ from their models: new, gone, or of another type, default, comment or NOT NULL."""

from collections.abc import Collection, Iterator

from alembic.operations.ops import AddColumnOp, DropColumnOp, MigrateOperation
from sqlalchemy import Table

from devtools.migrations.catalogs import Facts, Sides, key_of, literal, quote
from devtools.migrations.operations import Sql

Column = dict[str, str | None]

_KINDS = ("type", "not null", "default", "generated", "identity", "comment")


def change_columns(sides: Sides, table: Table, by_hand: list[str]) -> Iterator[MigrateOperation]:
    """Yield what changes the columns of a table that both sides have.

    Args:
        sides: Models and database.
        table: The model's table.
        by_hand: Takes sentences on what is not done, or only where the rows allow it.
    """
    spelt = key_of(table).sql
    alter = f"ALTER TABLE {spelt}"
    for column in table.columns:
        name = f"{table.fullname}.{column.name}"
        after = _read(sides.models, table, column.name) | {"comment": column.comment}
        before = _read(sides.database, table, column.name)
        if before["type"] is None:
            yield AddColumnOp.from_column_and_tablename(table.schema, table.name, column)
            if after["not null"] and not (after["default"] or after["generated"] or after["identity"]):
                by_hand.append(
                    f"{name} is new, may not be empty, and has no default for the rows that are there: give it a "
                    "server_default, or fill it before it becomes NOT NULL"
                )
            continue
        if any(before[kind] != after[kind] for kind in ("generated", "identity")) or _is_numbered_anew(before, after):
            by_hand.append(f"{name} is generated or numbered differently: write what the rows and the server allow")
            continue
        if after["not null"] and not before["not null"]:
            if default := after["default"]:
                place = quote(column.name)
                yield Sql(f"UPDATE {spelt} SET {place} = {default} WHERE {place} IS NULL", None)  # noqa: S608 — names
            else:
                by_hand.append(f"{name} may not be empty from now on: fill it first, or the upgrade fails")
        if up := _alter(column.name, before, after, sides):
            yield Sql(f"{alter} {up}", f"{alter} {_alter(column.name, after, before, sides)}")
        if before["comment"] != after["comment"]:
            comment = f"COMMENT ON COLUMN {spelt}.{quote(column.name)} IS"
            yield Sql(*(f"{comment} {literal(each['comment'] or '')}" for each in (after, before)))


def drop_columns(sides: Sides, table: Table, kept: Collection[str]) -> Iterator[MigrateOperation]:
    """Yield what drops the columns that no model has, or has those that are kept empty in new rows."""
    for key in sorted(sides.database):
        if key != key_of(table, "type", key.name) or key.name in table.columns:
            continue
        if key.path not in kept:
            column = sides.reflect(key).columns[key.name]
            yield DropColumnOp.from_column_and_tablename(table.schema, table.name, column)
        elif (there := _read(sides.database, table, key.name))["not null"] and not there["default"]:
            place = f"ALTER TABLE {key.sql} ALTER COLUMN {quote(key.name)}"
            yield Sql(f"{place} DROP NOT NULL", f"{place} SET NOT NULL")


def _read(facts: Facts, table: Table, name: str) -> Column:
    return {kind: facts.get(key_of(table, kind, name)) for kind in _KINDS}


def _is_numbered_anew(before: Column, after: Column) -> bool:
    """Return True where the model wants a sequence that is not there."""
    return before["default"] != after["default"] and (after["default"] or "").startswith("nextval(")


def _alter(name: str, before: Column, after: Column, sides: Sides) -> str:
    place = f"ALTER COLUMN {quote(name)}"
    parts = []
    if retyped := before["type"] != after["type"]:
        kind = (after["type"] or "").partition(" COLLATE ")[0]
        # Every enum type has a cast from text, and from nothing else.
        text = "::text" if kind.removesuffix("[]") in {key.sql for key in sides.models if key.kind == "enum"} else ""
        parts += [f"{place} DROP DEFAULT"] if before["default"] else []
        parts += [f"{place} TYPE {after['type']} USING {quote(name)}{text}::{kind}"]
    if retyped or before["default"] != after["default"]:
        if after["default"]:
            parts.append(f"{place} SET DEFAULT {after['default']}")
        elif not retyped:
            parts.append(f"{place} DROP DEFAULT")
    if before["not null"] != after["not null"]:
        parts.append(f"{place} {'SET' if after['not null'] else 'DROP'} NOT NULL")
    return ", ".join(parts)
