"""Columns that differ from their models: types, defaults, what is generated, and NOT NULL where there are rows."""

from collections.abc import Iterator

from alembic.operations.ops import AddColumnOp, AlterColumnOp
from sqlalchemy import Column, Connection, MetaData, Table
from sqlalchemy.exc import DBAPIError

from devtools.migrations.catalogs import DIALECT, Pair, find_enum, literal, quote, quote_table, rolled_back
from devtools.migrations.operations import Comparison, Sql, flat


def fill_columns(metadata: MetaData, comparison: Comparison) -> Iterator[Sql]:
    """Yield what gives rows a value where a column is NOT NULL from now on."""
    tables = {(table.schema, table.name): table for table in metadata.tables.values()}
    for operation in flat(comparison.operations):
        if isinstance(operation, AddColumnOp):
            column = operation.column
            numbered = column.table._autoincrement_column is column  # noqa: SLF001 — there is no other way to ask
            if not column.nullable and column.server_default is None and not numbered:
                comparison.refusals.append(
                    f"{operation.table_name}.{column.name} is new, may not be empty, and has no default for the rows "
                    "that are there: give it a server_default; or make it nullable, fill it, and make it NOT NULL in "
                    "a later migration"
                )
        elif isinstance(operation, AlterColumnOp) and operation.modify_nullable is False:
            table = tables[operation.schema, operation.table_name]
            default = _default(table.columns[operation.column_name])
            place = quote(operation.column_name)
            if default is None:
                comparison.warnings.append(
                    f"{table.fullname}.{operation.column_name} may not be empty from now on: fill it first, or the "
                    "upgrade fails"
                )
            else:
                fill = f"UPDATE {quote_table(table)} SET {place} = {default} WHERE {place} IS NULL"  # noqa: S608
                yield Sql(fill, None, order=-1)


def change_columns(connection: Connection, table: Table, pair: Pair, comparison: Comparison) -> Iterator[Sql]:
    """Yield what changes columns that both the model and the database have."""
    for column in table.columns:
        name = column.name
        new, old = pair.both("type", name)
        if old is None:
            continue
        alter = f"ALTER TABLE {quote_table(table)} ALTER COLUMN {quote(name)}"
        ours, theirs = pair.both("default", name)
        is_sequence = (ours or "").startswith("nextval(") and column.server_default is None
        is_generated = any(pair.both("generated", name)) or any(pair.both("identity", name))
        if new != old:
            yield from _change_type(connection, column, pair, comparison)
        elif ours != theirs and not is_sequence and not is_generated:
            yield Sql(f"{alter} {_set(_default(column))}", f"{alter} {_set(theirs)}")
        if is_sequence and theirs is None and not is_generated:
            comparison.notes.append(
                f"the numbering of {table.fullname}.{name}, which the database leaves to the application"
            )
        new, old = pair.both("generated", name)
        if old and old.endswith(" STORED") and not new:
            yield Sql(f"{alter} DROP EXPRESSION IF EXISTS", None)
        elif new != old:
            comparison.refusals.append(
                f"{table.fullname}.{name} is generated differently, which the server cannot change: write a migration "
                "by hand that drops the column and adds it again"
            )
        new, old = pair.both("identity", name)
        if new != old:
            yield Sql(_identity(alter, theirs, old, new), _identity(alter, theirs, new, old), order=1)
        if new and not old:
            # After the numbers that rows have already.
            sequence = f"pg_get_serial_sequence({literal(quote_table(table))}, {literal(name)})"
            rows = f"FROM {quote_table(table)} HAVING max({quote(name)}) IS NOT NULL"
            yield Sql(f"SELECT setval({sequence}, max({quote(name)})) {rows}", None, order=1)


def _change_type(connection: Connection, column: Column[object], pair: Pair, comparison: Comparison) -> Iterator[Sql]:
    """Yield the change with the cast that the server would not make by itself."""
    table, place = column.table, f"ALTER COLUMN {quote(column.name)}"
    assert isinstance(table, Table)  # noqa: S101 — for the type alone
    new, old = column.type.compile(DIALECT), pair.database["type", column.name]
    statements = []
    defaults = pair.both("default", column.name)
    for kind, default in ((new, _default(column)), (old, defaults[1])):
        cast = kind.partition(" COLLATE ")[0]
        parts = [f"{place} TYPE {kind} USING {quote(column.name)}::{cast}"]
        if any(defaults) and not any((each or "").startswith("nextval(") for each in defaults):
            parts = [f"{place} DROP DEFAULT", *parts, *([f"{place} {_set(default)}"] if default else [])]
        statements.append(f"ALTER TABLE {quote_table(table)} {', '.join(parts)}")
    # Every enum type has a cast from text, and the type itself may not be there yet.
    target = "text" if find_enum(column.type) else new.partition(" COLLATE ")[0]
    try:
        with rolled_back(connection):
            connection.exec_driver_sql(f"SELECT NULL::{old.partition(' COLLATE ')[0]}::{target}")
    except DBAPIError:
        comparison.refusals.append(
            f"{table.fullname}.{column.name} changes from {old} to {new}, for which the server has no cast: write a "
            "migration by hand that says how, with op.alter_column(…, postgresql_using=…)"
        )
    else:
        yield Sql(statements[0], statements[1])


def _default(column: Column[object]) -> str | None:
    # As Alembic does: it asks for no statement.
    return DIALECT.ddl_compiler(DIALECT, None).get_column_default_string(column)  # type: ignore[arg-type]


def _set(default: str | None) -> str:
    return f"SET DEFAULT {default}" if default else "DROP DEFAULT"


def _identity(alter: str, default: str | None, before: str | None, after: str | None) -> str:
    place = alter.partition(" ALTER COLUMN ")[2]
    if after is None:
        return f"{alter} DROP IDENTITY{f', ALTER COLUMN {place} SET DEFAULT {default}' if default else ''}"
    generated, *options = after.split(";")
    if before is not None:
        return f"{alter} SET GENERATED {generated} {' '.join(f'SET {option}' for option in options)}"
    dropped = f" DROP DEFAULT, ALTER COLUMN {place}" if default else ""
    return f"{alter}{dropped} ADD GENERATED {generated} AS IDENTITY ({' '.join(options)})"
