"""Changes of the tables that both sides have: columns that differ from their models, constraints and indexes."""

import re
from collections.abc import Collection, Iterator, Mapping

from alembic.operations.ops import AddColumnOp, MigrateOperation
from sqlalchemy import Table

from devtools.migrations.catalogs import Facts, Key, Sides, key_of, quote
from devtools.migrations.operations import Sql

_KINDS = ("type", "not null", "default", "generated")
_FOREIGN_KEY = "FOREIGN KEY "


def change_columns(sides: Sides, table: Table, by_hand: list[str]) -> Iterator[MigrateOperation]:
    """Yield what changes the columns of a table that both sides have.

    Args:
        sides: Models and database.
        table: The model's table.
        by_hand: Takes sentences on what is not done, or only where the rows allow it.
    """
    spelt = key_of(table).sql
    for column in table.columns:
        name, place = f"{table.fullname}.{column.name}", quote(column.name)
        before, after = (_read(facts, table, column.name) for facts in (sides.database, sides.models))
        default = after.get("default", "")
        if not before:
            yield AddColumnOp.from_column_and_tablename(table.schema, table.name, column)
            if "not null" in after and after.keys().isdisjoint({"default", "generated"}):
                by_hand.append(
                    f"{name} is new, may not be empty, and has no default for the rows that are there: give it a "
                    "server_default, or fill it before it becomes NOT NULL"
                )
        elif before.get("generated") != after.get("generated") or (
            # A sequence that is not there.
            default.startswith("nextval(") and default != before.get("default")
        ):
            by_hand.append(f"{name} is generated or numbered differently: write what the rows and the server allow")
        elif before != after:
            if "not null" not in before and "not null" in after:
                if default:
                    yield Sql(f"UPDATE {spelt} SET {place} = {default} WHERE {place} IS NULL", None)  # noqa: S608
                else:
                    by_hand.append(f"{name} may not be empty from now on: fill it first, or the upgrade fails")
            enums = {key.sql for key in sides.models if key.kind == "enum"}
            up, down = _alter(place, before, after, enums), _alter(place, after, before, enums)
            yield Sql(f"ALTER TABLE {spelt} {up}", f"ALTER TABLE {spelt} {down}")


def relax_column(sides: Sides, key: Key) -> Iterator[Sql]:
    """Yield what lets a column without a model, which is kept, be empty in new rows."""
    if key._replace(kind="not null") in sides.database and key._replace(kind="default") not in sides.database:
        place = f"ALTER TABLE {key.sql} ALTER COLUMN {quote(key.name)}"
        yield Sql(f"{place} DROP NOT NULL", f"{place} SET NOT NULL")


def _read(facts: Facts, table: Table, name: str) -> Mapping[str, str]:
    return {kind: facts[key] for kind in _KINDS if (key := key_of(table, kind, name)) in facts}


def _alter(column: str, before: Mapping[str, str], after: Mapping[str, str], enums: Collection[str]) -> str:
    place, parts, default = f"ALTER COLUMN {column}", [], before.get("default")
    if before["type"] != after["type"]:
        kind = after["type"].partition(" COLLATE ")[0]
        # Every enum type has a cast from text, and from nothing else; a default may have no cast at all.
        text = "::text" if kind.removesuffix("[]") in enums else ""
        parts = [f"{place} DROP DEFAULT", f"{place} TYPE {after['type']} USING {column}{text}::{kind}"]
        default = None
    if default != after.get("default"):
        parts.append(f"{place} SET DEFAULT {after['default']}" if "default" in after else f"{place} DROP DEFAULT")
    if ("not null" in before) != ("not null" in after):
        parts.append(f"{place} {'SET' if 'not null' in after else 'DROP'} NOT NULL")
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
