"""Changes of the tables that both sides have: columns that differ from their models, constraints and indexes."""

import re
from collections.abc import Collection, Iterator

from alembic.operations.ops import AddColumnOp, DropColumnOp, MigrateOperation
from sqlalchemy import Table

from devtools.migrations.catalogs import Facts, Key, Sides, key_of, literal, quote
from devtools.migrations.operations import Sql

Column = dict[str, str | None]

_KINDS = ("type", "not null", "default", "generated", "identity", "comment")
_FOREIGN_KEY = "FOREIGN KEY "


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


def change_constraints(
    sides: Sides, compared: Collection[Key], gone: Collection[Key], kept: Collection[str]
) -> tuple[list[Sql], list[Sql]]:
    """Return what drops constraints and indexes, and what makes them when tables and columns are as they are to be.

    Args:
        sides: Models and database.
        compared: The tables that both have.
        gone: The tables that are dropped. The keys between them go first, so that any order will do.
        kept: Columns that stay without a model, and their constraints with them.
    """
    old, new = [], []
    for key in sides.database.keys() | sides.models.keys():
        table = Key("table", key.schema, key.table)
        before, after = sides.database.get(key), sides.models.get(key)
        if key.kind not in {"constraint", "index"} or before in {after, sides.restored.get(key)}:
            continue
        if table in gone and (key.kind == "index" or (before or "").startswith(_FOREIGN_KEY)):
            old.append(key)
        elif table in compared:
            old += [key] if before and (after or not _concerns(kept, table, before)) else []
            new += [key] if after else []
    old.sort(key=lambda key: (not sides.database[key].startswith(_FOREIGN_KEY), key))
    new.sort(key=lambda key: (sides.models[key].startswith(_FOREIGN_KEY), key))
    dropped = [Sql(_drop(key), _make(key, sides.database[key])) for key in old]
    return dropped, [Sql(_make(key, sides.models[key]), _drop(key)) for key in new]


def _make(key: Key, definition: str) -> str:
    if key.kind == "index":
        return definition.replace("{}", key.sql, 1)
    return f"ALTER TABLE {key.sql} ADD CONSTRAINT {quote(key.name)} {definition}"


def _drop(key: Key) -> str:
    if key.kind == "index":
        return f"DROP INDEX {key._replace(table=key.name).sql}"
    return f"ALTER TABLE {key.sql} DROP CONSTRAINT {quote(key.name)}"


def _concerns(kept: Collection[str], table: Key, definition: str) -> bool:
    columns = (name.rpartition(".")[2] for name in kept if name.startswith(f"{table.path}."))
    return any(re.search(rf"\b{re.escape(column)}\b", definition) for column in columns)
