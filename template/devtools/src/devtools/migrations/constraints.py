"""Constraints and indexes that differ from their models: renamed, or made anew."""

import re
from collections.abc import Collection

from devtools.migrations.catalogs import Key, Sides, quote
from devtools.migrations.operations import Sql

_FOREIGN_KEY = "FOREIGN KEY "


def change_constraints(sides: Sides, gone: Collection[Key]) -> tuple[list[Sql], list[Sql]]:
    """Return what drops constraints and indexes, and what makes them when tables and columns are as they are to be.

    Args:
        sides: Models and database.
        gone: The tables that are dropped. The keys between them go first, so that any order will do.
    """
    old, new = [], []
    for key in sides.database.keys() | sides.models.keys():
        table = Key("table", key.schema, key.table)
        before, after = sides.database.get(key), sides.models.get(key)
        if key.kind not in {"constraint", "index"} or before in {after, sides.restored.get(key)}:
            continue
        if table in gone:
            if key.kind == "index" or (before or "").startswith(_FOREIGN_KEY):
                old.append(key)
        elif table in sides.database and (model := sides.model(table)) is not None and model not in sides.refused:
            if before and (after or not _concerns_kept(sides, table, before)):
                old.append(key)
            if after:
                new.append(key)
    # A primary key that others refer to cannot be made anew.
    names = {
        before: after
        for before in old
        for after in new
        if before not in sides.models
        and after == before._replace(name=after.name)
        and after.kind == "constraint"
        and after not in sides.database
        and sides.models[after] == sides.database[before]
    }
    old.sort(key=lambda key: (not sides.database[key].startswith(_FOREIGN_KEY), key))
    new.sort(key=lambda key: (sides.models[key].startswith(_FOREIGN_KEY), key))
    dropped = [Sql(_drop(sides, key), _make(sides, key, sides.database[key])) for key in old if key not in names]
    renamed = [Sql(_rename(sides, key, names[key]), _rename(sides, names[key], key)) for key in names]
    made = [Sql(_make(sides, key, sides.models[key]), _drop(sides, key)) for key in new if key not in names.values()]
    return [*dropped, *renamed], made


def _make(sides: Sides, key: Key, definition: str) -> str:
    if key.kind == "index":
        return definition.replace("{}", sides.spell(key), 1)
    return f"ALTER TABLE {sides.spell(key)} ADD CONSTRAINT {quote(key.name)} {definition}"


def _drop(sides: Sides, key: Key) -> str:
    if key.kind == "index":
        return f"DROP INDEX {sides.spell(key._replace(table=key.name))}"
    return f"ALTER TABLE {sides.spell(key)} DROP CONSTRAINT {quote(key.name)}"


def _rename(sides: Sides, old: Key, new: Key) -> str:
    return f"ALTER TABLE {sides.spell(old)} RENAME CONSTRAINT {quote(old.name)} TO {quote(new.name)}"


def _concerns_kept(sides: Sides, table: Key, definition: str) -> bool:
    start = f"{sides.name(table)}."
    columns = (name.removeprefix(start) for name in sides.kept if name.startswith(start))
    return any(re.search(rf"\b{re.escape(column)}\b", definition) for column in columns)
