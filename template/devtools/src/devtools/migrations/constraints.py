"""Constraints and indexes that differ from their models: made anew."""

import re
from collections.abc import Collection

from devtools.migrations.catalogs import Key, Sides, quote
from devtools.migrations.operations import Sql

_FOREIGN_KEY = "FOREIGN KEY "


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
