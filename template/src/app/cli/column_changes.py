"""Changes of columns that need more than Alembic writes where there are rows, and the types that columns have."""

from collections.abc import Collection, Iterator

from alembic.operations.ops import AddColumnOp, AlterColumnOp, DropTableOp, ModifyTableOps, UpgradeOps
from sqlalchemy import Connection, MetaData, Table, text
from sqlalchemy.exc import DBAPIError

from app.cli.catalogs import Catalogs, Name, Pair, enum_of, enums, literal, quoted, rolled_back
from app.cli.operations import Comparison, Sql, flat

_ENUMS = text("""
SELECT CASE nspname WHEN current_schema() THEN NULL ELSE nspname END, typname,
    (SELECT array_agg(enumlabel::text ORDER BY enumsortorder) FROM pg_enum WHERE enumtypid = t.oid),
    ARRAY(SELECT relname || '.' || attname FROM pg_attribute JOIN pg_class c ON c.oid = attrelid
        WHERE atttypid IN (t.oid, t.typarray) AND relkind IN ('r', 'p') AND NOT attisdropped)
FROM pg_type t JOIN pg_namespace n ON n.oid = typnamespace
WHERE typtype = 'e' AND n.oid <> pg_my_temp_schema()
    AND NOT EXISTS (SELECT FROM pg_depend WHERE objid = t.oid AND deptype = 'e')
""")


def column_changes(connection: Connection, metadata: MetaData, catalogs: Catalogs, result: Comparison) -> Iterator[Sql]:
    """Write types with the cast that the server would not make by itself, and NOT NULL where there are rows."""
    for operation in list(flat(result.operations)):
        if isinstance(operation, AddColumnOp):
            _require_value(operation, result)
        if not isinstance(operation, AlterColumnOp):
            continue
        table = next(
            each
            for each in metadata.tables.values()
            if (each.schema, each.name) == (operation.schema, operation.table_name)
        )
        pair = catalogs.pairs.get((table.schema, table.name))
        if pair is None:
            continue
        name, place = operation.column_name, f"{table.fullname}.{operation.column_name}"
        default = pair.model.get(("default", name))
        if operation.modify_nullable is False and default is None:
            result.warnings.append(f"{place} may not be empty from now on: fill it first, or the upgrade fails")
        elif operation.modify_nullable is False:
            column = _q(connection, name)
            yield Sql(
                f"UPDATE {quoted(connection, table)} SET {column} = {default} WHERE {column} IS NULL",  # noqa: S608
                None,
                order=-1,
            )
        yield from _type_change(connection, table, operation, pair, result)
    for each in result.operations.ops:
        if isinstance(each, ModifyTableOps):
            each.ops[:] = [one for one in each.ops if not isinstance(one, AlterColumnOp) or one.has_changes()]
    result.operations.ops[:] = [
        each for each in result.operations.ops if not isinstance(each, ModifyTableOps) or each.ops
    ]


def _require_value(operation: AddColumnOp, result: Comparison) -> None:
    column = operation.column
    if column.nullable or column.server_default is not None or column.table._autoincrement_column is column:  # noqa: SLF001
        return
    result.refusals.append(
        f"{operation.table_name}.{column.name} is new, may not be empty, and has no default for the rows that are "
        "there: give it a server_default; or make it nullable, fill it, and make it NOT NULL in a later migration"
    )


def _type_change(
    connection: Connection, table: Table, operation: AlterColumnOp, pair: Pair, result: Comparison
) -> Iterator[Sql]:
    if operation.modify_type is None:
        return
    name = operation.column_name
    change = f"ALTER COLUMN {_q(connection, name)}"
    new, old = operation.modify_type.compile(connection.dialect), pair.database["type", name]
    statements = []
    for kind, facts in ((new, pair.model), (old, pair.database)):
        cast = kind.partition(" COLLATE ")[0]
        parts = [f"{change} TYPE {kind} USING {_q(connection, name)}::{cast}"]
        default = facts.get(("default", name))
        if any(("default", name) in each for each in pair) and not (default or "").startswith("nextval("):
            parts = [f"{change} DROP DEFAULT", *parts, *([f"{change} SET DEFAULT {default}"] if default else [])]
        statements.append(f"ALTER TABLE {quoted(connection, table)} {', '.join(parts)}")
    to_enum = enum_of(table.columns[name].type) is not None
    if not _castable(connection, old.partition(" COLLATE ")[0], new, to_enum=to_enum):
        result.refusals.append(
            f"{table.fullname}.{name} changes from {old} to {new}, for which the server has no cast: write a migration "
            "by hand that says how, with op.alter_column(…, postgresql_using=…)"
        )
    else:
        yield Sql(statements[0], statements[1])
    operation.modify_type = None
    operation.modify_server_default = False


def _castable(connection: Connection, old: str, new: str, *, to_enum: bool) -> bool:
    # Every enum type has a cast from text, and the type itself may not be there yet.
    kind = "text" if to_enum else new.partition(" COLLATE ")[0]
    try:
        with rolled_back(connection):
            connection.exec_driver_sql(f"SELECT NULL::{old}::{kind}")
    except DBAPIError:
        return False
    return True


def enum_types(
    connection: Connection, metadata: MetaData, operations: UpgradeOps, result: Comparison, *, kept: Collection[str]
) -> Iterator[Sql]:
    """Types to make and to drop, and their new labels; what the database has beyond the models is a note."""
    ours = enums(metadata)
    theirs: dict[Name, tuple[list[str], list[str]]] = {
        (schema, name): (labels or [], users) for schema, name, labels, users in connection.execute(_ENUMS)
    }
    for (schema, name), labels in ours.items():
        spelt = ".".join(_q(connection, part) for part in (schema, name) if part)
        create = f"CREATE TYPE {spelt} AS ENUM ({', '.join(map(literal, labels))})"
        if (schema, name) not in theirs:
            yield Sql(create, f"DROP TYPE {spelt}", order=-2)
            continue
        there, _ = theirs[schema, name]
        for number, label in enumerate(labels):
            if label not in there:
                place = f"AFTER {literal(labels[number - 1])}" if number else f"BEFORE {literal(there[0])}"
                yield Sql(
                    f"ALTER TYPE {spelt} ADD VALUE IF NOT EXISTS {literal(label)} {place}", None, order=-4, alone=True
                )
        if more := [label for label in there if label not in labels]:
            result.notes.append(f"labels of the enum type {name} that only the database has: {', '.join(more)}")
        elif [label for label in labels if label in there] != there:
            result.notes.append(f"the order of the labels of the enum type {name}")
    going = {each.table_name for each in flat(operations) if isinstance(each, DropTableOp)}
    for (schema, name), (labels, users) in theirs.items():
        rest = [user for user in users if user in kept or user.partition(".")[0] in kept]
        known = {table.name for table in metadata.tables.values()} | going
        strangers = [user for user in users if user.partition(".")[0] not in known]
        if (schema, name) not in ours and users and not rest and not strangers:
            spelt = ".".join(_q(connection, part) for part in (schema, name) if part)
            create = f"CREATE TYPE {spelt} AS ENUM ({', '.join(map(literal, labels))})"
            yield Sql(f"DROP TYPE {spelt}", create, order=9)


def _q(connection: Connection, name: str) -> str:
    return connection.dialect.identifier_preparer.quote(name)
