"""The operations of a migration: changes of the tables that both sides have, and the Python code of all."""

import re
from collections.abc import Collection, Iterator, Mapping
from typing import Any, Literal

from alembic.autogenerate import render_python_code, renderers
from alembic.autogenerate.api import AutogenContext
from alembic.migration import MigrationContext
from alembic.operations.ops import AddColumnOp, MigrateOperation, UpgradeOps
from sqlalchemy import Enum, Table

from devtools.migrations.catalogs import Facts, Key, Sides, key_of, quote

_KINDS = ("type", "not null", "default", "generated")
_FOREIGN_KEY = "FOREIGN KEY "


class Sql(MigrateOperation):
    """A statement, and the one that takes it back; None where there is none."""

    def __init__(self, up: str, down: str | None) -> None:
        self.up = up
        self.down = down

    def reverse(self) -> "Sql":
        """Return the operation that takes this one back."""
        return Sql(self.down or "", self.up)


def change_columns(sides: Sides, table: Table, by_hand: list[str]) -> Iterator[MigrateOperation]:
    """Yield what changes the columns of a table that both sides have; `by_hand` takes sentences on what is not done."""
    spelt = key_of(table).sql
    for column in table.columns:
        name, place = f"{table.fullname}.{column.name}", quote(column.name)
        before, after = (_read(facts, table, column.name) for facts in (sides.database, sides.models))
        default = after.get("default", "")
        if not before:
            yield AddColumnOp.from_column_and_tablename(table.schema, table.name, column)
        elif before.get("generated") != after.get("generated") or (
            # A sequence that is not there.
            default.startswith("nextval(") and default != before.get("default")
        ):
            by_hand.append(f"{name} is generated or numbered differently: write what the rows and the server allow")
        elif before != after:
            if "not null" not in before and "not null" in after and default:
                yield Sql(f"UPDATE {spelt} SET {place} = {default} WHERE {place} IS NULL", None)  # noqa: S608 — names
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
        kept: Columns that stay without a model, and all constraints and indexes of their tables with them.
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
            is_kept = not after and any(name.startswith(f"{table.path}.") for name in kept)
            old += [key] if before and not is_kept else []
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


def reverse(operations: list[MigrateOperation]) -> list[MigrateOperation]:
    """Return what takes operations back, but for what nothing takes back."""
    return [each.reverse() for each in reversed(operations) if not isinstance(each, Sql) or each.down is not None]


def render(operations: list[MigrateOperation]) -> str:
    """Return operations as a migration spells them, without Alembic's remarks."""
    context = MigrationContext.configure(dialect_name="postgresql")
    code = render_python_code(UpgradeOps(operations), render_item=_render_item, migration_context=context)
    return "\n".join(line for line in code.splitlines() if not line.strip().startswith("# ###")).strip()


@renderers.dispatch_for(Sql)
def _render_sql(_context: AutogenContext, operation: Sql) -> str:
    # `op.execute` reads :name as a parameter.
    statement = re.sub(r"(?<![:\w]):(?=\w)", r"\\:", operation.up)
    return f"op.execute({statement!r})"


def _render_item(kind: str, item: Any, _context: AutogenContext) -> str | Literal[False]:  # noqa: ANN401 — Alembic's protocol
    """Return an enum type without its creation, which is a statement of its own: two tables may share one."""
    if kind != "type" or not isinstance(item, Enum) or not item.native_enum:
        return False
    schema = f", schema={item.schema!r}" if item.schema else ""
    return f"postgresql.ENUM({', '.join(map(repr, item.enums))}, name={item.name!r}{schema}, create_type=False)"
