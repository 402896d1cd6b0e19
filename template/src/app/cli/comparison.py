"""What Alembic's comparison of models and database leaves out: written as SQL, refused, or named."""

import re
from collections.abc import Collection, Iterator
from typing import Any

from alembic.autogenerate.api import AutogenContext
from alembic.operations.ops import AlterColumnOp, MigrateOperation, UpgradeOps
from alembic.runtime.plugins import Plugin
from alembic.util import DispatchPriority, PriorityDispatchResult
from sqlalchemy import Column, Connection, MetaData, Table, text

from app.cli.catalogs import Catalogs, Pair, literal, quoted
from app.cli.column_changes import column_changes, enum_types
from app.cli.operations import Comparison, Sql, flat

_SET_EXPRESSION = 17  # the first version that has it


def _compare_default(
    context: AutogenContext,
    operation: AlterColumnOp,
    _schema: str | None,
    _table: str,
    _name: str,
    _found: Column[Any],
    column: Column[Any],
) -> PriorityDispatchResult:
    """Compare defaults in Alembic's place, which asks the server to compare two values, and stumbles over a quote."""
    differs = context.migration_context.opts["catalogs"].default_differs(column)
    if differs is None:
        return PriorityDispatchResult.CONTINUE
    if differs:
        operation.modify_server_default = column.server_default
    return PriorityDispatchResult.STOP


PLUGINS = ("alembic.autogenerate.*", "app")
Plugin("app").add_autogenerate_comparator(_compare_default, "column", "server_default", priority=DispatchPriority.FIRST)


def complete(
    connection: Connection, metadata: MetaData, catalogs: Catalogs, operations: UpgradeOps, *, kept: Collection[str]
) -> Comparison:
    """Add to Alembic's operations what they leave out.

    Args:
        connection: To the database.
        metadata: The tables of the models.
        catalogs: The same tables in the server's words.
        operations: What Alembic has found; changed in place.
        kept: Tables and columns that are left alone.
    """
    result = Comparison(operations)
    named = {name for each in flat(operations) for name in _names(each)}
    extra: list[Sql] = []
    for table in metadata.sorted_tables:
        if pair := catalogs.pairs.get((table.schema, table.name)):
            extra += _constraints(connection, table, pair, named=named, kept=kept)
            extra += _generated(connection, table, pair, result)
            extra += _identities(connection, table, pair)
            result.notes.extend(
                f"the numbering of {table.fullname}.{name}, which the database leaves to the application"
                for (kind, name), value in pair.model.items()
                if kind == "default"
                and value.startswith("nextval(")
                and ("default", name) not in pair.database
                and ("identity", name) not in pair.database
            )
    extra += column_changes(connection, metadata, catalogs, result)
    extra += enum_types(connection, metadata, operations, result, kept=kept)
    extra += _schemas(connection, metadata, result)
    operations.ops[:] = sorted([*operations.ops, *extra], key=_position)
    result.notes.extend(catalogs.notes)
    result.notes.extend(_not_compared(metadata))
    return result


def _position(operation: MigrateOperation) -> int:
    return operation.order if isinstance(operation, Sql) else 0


def _names(operation: MigrateOperation) -> Iterator[str]:
    for attribute in ("index_name", "constraint_name"):
        if name := getattr(operation, attribute, None):
            yield str(name)


def _constraints(
    connection: Connection, table: Table, pair: Pair, *, named: Collection[str], kept: Collection[str]
) -> Iterator[Sql]:
    quote = connection.dialect.identifier_preparer.quote
    name_of_table = quoted(connection, table)
    ours = {key: value for key, value in pair.model.items() if key[0] in {"c", "x", "p", "u", "index"}}
    theirs = {key: value for key, value in pair.database.items() if key[0] in {"c", "x", "p", "u", "index"}}

    def made(kind: str, name: str, definition: str) -> str:
        if kind == "index":
            return re.sub(r" ON .*? USING ", lambda _: f" ON {name_of_table} USING ", definition, count=1)
        return f"ALTER TABLE {name_of_table} ADD CONSTRAINT {quote(name)} {definition}"

    def gone(kind: str, name: str) -> str:
        if kind == "index":
            schema = f"{quote(table.schema)}." if table.schema else ""
            return f"DROP INDEX {schema}{quote(name)}"
        return f"ALTER TABLE {name_of_table} DROP CONSTRAINT {quote(name)}"

    for (kind, name), definition in theirs.items():
        new = ours.get((kind, name))
        # Alembic compares the presence of indexes and unique constraints, and some of what they are.
        alembics = kind in {"u", "index"} and (new is None or name in named)
        if alembics or (new and made(kind, name, new) == made(kind, name, definition)):
            continue
        renamed = new is None and next(
            (key[1] for key, it in ours.items() if key[0] == kind and it == definition and key not in theirs), None
        )
        if renamed:
            rename = f"ALTER TABLE {name_of_table} RENAME CONSTRAINT"
            yield Sql(
                f"{rename} {quote(name)} TO {quote(renamed)}", f"{rename} {quote(renamed)} TO {quote(name)}", order=1
            )
            del ours[kind, renamed]
        elif new or not _concerns_kept(table, definition, kept):
            yield Sql(gone(kind, name), made(kind, name, definition), order=-1)
    for (kind, name), definition in ours.items():
        old = theirs.get((kind, name))
        alembics = kind in {"u", "index"} and (old is None or name in named)
        if not alembics and (old is None or made(kind, name, old) != made(kind, name, definition)):
            yield Sql(made(kind, name, definition), gone(kind, name), order=1)


def _concerns_kept(table: Table, definition: str, kept: Collection[str]) -> bool:
    columns = (name.rpartition(".")[2] for name in kept if name.startswith(f"{table.name}."))
    return any(re.search(rf"\b{re.escape(column)}\b", definition) for column in columns)


def _generated(connection: Connection, table: Table, pair: Pair, result: Comparison) -> Iterator[Sql]:
    for column in table.columns:
        new, old = (facts.get(("generated", column.name)) for facts in pair)
        if new == old or ("type", column.name) not in pair.database:
            continue
        change = f"ALTER TABLE {quoted(connection, table)} ALTER COLUMN {_quote(connection, column.name)}"
        version = int((connection.dialect.server_version_info or (0,))[0])
        if old and new and old.rpartition(" ")[2] == new.rpartition(" ")[2] and version >= _SET_EXPRESSION:
            up, down = (f"{change} SET EXPRESSION AS ({each.rpartition(' ')[0]})" for each in (new, old))
            yield Sql(up, down)
        elif old and old.endswith(" STORED") and not new:
            yield Sql(f"{change} DROP EXPRESSION IF EXISTS", None)
        else:
            result.refusals.append(
                f"{table.fullname}.{column.name} is generated differently, which this server cannot change: write a "
                "migration by hand that drops the column and adds it again"
            )


def _identities(connection: Connection, table: Table, pair: Pair) -> Iterator[Sql]:
    for column in table.columns:
        new, old = (facts.get(("identity", column.name)) for facts in pair)
        if new == old or ("type", column.name) not in pair.database:
            continue
        name, place = quoted(connection, table), _quote(connection, column.name)
        default = pair.database.get(("default", column.name))

        alter = f"ALTER TABLE {name} ALTER COLUMN {place}"
        up, down = (_identity(alter, place, default, *each) for each in ((old, new), (new, old)))
        yield Sql(up, down, order=1)
        if old is None:
            # After the numbers that rows have already.
            sequence = f"pg_get_serial_sequence({literal(name)}, {literal(column.name)})"
            rows = f"FROM {name} HAVING max({place}) IS NOT NULL"
            yield Sql(f"SELECT setval({sequence}, max({place})) {rows}", None, order=1)


def _identity(alter: str, place: str, default: str | None, before: str | None, after: str | None) -> str:
    if after is None:
        return f"{alter} DROP IDENTITY{f', ALTER COLUMN {place} SET DEFAULT {default}' if default else ''}"
    generated, *options = after.split(";")
    if before is not None:
        return f"{alter} SET GENERATED {generated} {' '.join(f'SET {option}' for option in options)}"
    dropped = f" DROP DEFAULT, ALTER COLUMN {place}" if default else ""
    return f"{alter}{dropped} ADD GENERATED {generated} AS IDENTITY ({' '.join(options)})"


def _schemas(connection: Connection, metadata: MetaData, result: Comparison) -> Iterator[Sql]:
    ours = {table.schema for table in metadata.tables.values() if table.schema}
    theirs = set(
        connection.scalars(
            text(
                "SELECT nspname FROM pg_namespace n WHERE nspname !~ '^pg_' AND nspname <> 'information_schema' "
                "AND nspname <> current_schema() "
                "AND NOT EXISTS (SELECT FROM pg_depend WHERE objid = n.oid AND deptype = 'e')"
            )
        )
    )
    for schema in sorted(ours - theirs):
        yield Sql(f"CREATE SCHEMA {_quote(connection, schema)}", f"DROP SCHEMA {_quote(connection, schema)}", order=-3)
    if others := sorted(theirs - ours):
        result.notes.append(f"schemas that no model names: {', '.join(others)}")


def _not_compared(metadata: MetaData) -> Iterator[str]:
    tables = metadata.tables.values()
    if any(constraint.comment for table in tables for constraint in table.constraints):
        yield "comments of constraints"
    if metadata._sequences:  # noqa: SLF001 — there is no other way to ask
        yield "sequences"
    if any(table.dialect_kwargs or table._prefixes for table in tables):  # noqa: SLF001 — the same
        yield "options of tables, such as storage parameters and partitions"


def _quote(connection: Connection, name: str) -> str:
    return connection.dialect.identifier_preparer.quote(name)
