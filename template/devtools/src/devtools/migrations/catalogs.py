"""Tables in the server's own words: those of the database, and the models' as they would be there.

PostgreSQL rewrites what it is told: a CHECK, a default or an index reads differently in its catalogues than in a model.
So the models' tables are made as temporary ones, read, and rolled back.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

from sqlalchemy import ARRAY, Connection, Enum, Index, MetaData, Table, text
from sqlalchemy.dialects import postgresql
from sqlalchemy.exc import DBAPIError
from sqlalchemy.schema import CreateIndex, CreateTable
from sqlalchemy.types import TypeDecorator, TypeEngine

# By kind and name. Of columns: `type`, `default`, `generated`, `identity`. Of constraints, as pg_constraint calls them:
# `c` (check), `x` (exclude), `p` (primary key), `u` (unique). And `index`.
Facts = dict[tuple[str, str], str]
Name = tuple[str | None, str]

_FACTS = text("""
SELECT 'type', attname, format_type(atttypid, atttypmod) || coalesce(' COLLATE ' || quote_ident(collname), '')
FROM pg_attribute JOIN pg_type t ON t.oid = atttypid
LEFT JOIN pg_collation c ON c.oid = attcollation AND attcollation <> typcollation
WHERE attrelid = :table AND attnum > 0 AND NOT attisdropped
UNION ALL
SELECT CASE attgenerated WHEN '' THEN 'default' ELSE 'generated' END, attname,
    pg_get_expr(adbin, adrelid) || CASE attgenerated WHEN 'v' THEN ' VIRTUAL' WHEN 's' THEN ' STORED' ELSE '' END
FROM pg_attrdef JOIN pg_attribute ON attrelid = adrelid AND attnum = adnum WHERE adrelid = :table
UNION ALL
SELECT 'identity', attname, CASE attidentity WHEN 'a' THEN 'ALWAYS' ELSE 'BY DEFAULT' END || format(
    ';START WITH %s;INCREMENT BY %s;MINVALUE %s;MAXVALUE %s;CACHE %s;%sCYCLE',
    seqstart, seqincrement, seqmin, seqmax, seqcache, CASE WHEN seqcycle THEN '' ELSE 'NO ' END)
FROM pg_attribute JOIN pg_depend ON refobjid = attrelid AND refobjsubid = attnum AND deptype = 'i'
JOIN pg_sequence ON seqrelid = objid WHERE attrelid = :table AND attidentity <> ''
UNION ALL
SELECT contype::text, conname, regexp_replace(pg_get_constraintdef(oid), ' NOT VALID$', '')
FROM pg_constraint WHERE conrelid = :table AND contype IN ('c', 'x', 'p', 'u')
UNION ALL
SELECT 'index', relname, pg_get_indexdef(indexrelid) FROM pg_index JOIN pg_class ON pg_class.oid = indexrelid
WHERE indrelid = :table AND NOT EXISTS (SELECT FROM pg_constraint WHERE conindid = indexrelid AND contype <> 'f')
""")
DIALECT = postgresql.asyncpg.dialect()  # type: ignore[no-untyped-call] # SQLAlchemy's own
quote = DIALECT.identifier_preparer.quote
quote_table = DIALECT.identifier_preparer.format_table
_TABLE = text("SELECT to_regclass(:name)::oid")


class Pair(NamedTuple):
    """A table as its model declares it, and as the database has it."""

    model: Facts
    database: Facts

    def both(self, kind: str, name: str) -> tuple[str | None, str | None]:
        """Return a fact of the model and of the database."""
        return self.model.get((kind, name)), self.database.get((kind, name))


def read_pairs(
    connection: Connection, metadata: MetaData, *, is_wanted: Callable[[Index], bool]
) -> tuple[dict[Name, Pair], list[str]]:
    """Read the tables that both the models and the database have.

    Returns:
        The tables by schema and name, and a note for each whose model could not be made as a temporary table.
    """
    pairs: dict[Name, Pair] = {}
    notes: list[str] = []
    with rolled_back(connection):
        # Before there are temporary types, which would hide those of the same name.
        real = {
            (table.schema, table.name): _read(connection, oid, schema=table.schema)
            for table in metadata.sorted_tables
            if (oid := connection.scalar(_TABLE, {"name": quote_table(table)}))
        }
        for (_, name), labels in list_enums(metadata).items():
            connection.exec_driver_sql(f"CREATE TYPE pg_temp.{quote(name)} AS ENUM ({', '.join(map(literal, labels))})")
        for table in metadata.sorted_tables:
            if (database := real.get((table.schema, table.name))) is None:
                continue
            try:
                pairs[table.schema, table.name] = Pair(_read_model(connection, table, database, is_wanted), database)
            except DBAPIError as error:
                reason = str((error.orig and error.orig.__cause__) or error.orig).partition("\n")[0]
                notes.append(f"checks, defaults and types of {table.fullname} ({reason})")
    return pairs, notes


def _read(connection: Connection, oid: int, *, schema: str | None) -> Facts:
    with rolled_back(connection):
        if schema:
            connection.exec_driver_sql(f"SET LOCAL search_path = {quote(schema)}, public")
        rows = connection.execute(_FACTS, {"table": oid}).all()
    return {(kind, name): value for kind, name, value in rows}


def _read_model(connection: Connection, table: Table, database: Facts, is_wanted: Callable[[Index], bool]) -> Facts:
    schemas = (None, *(each.schema for each in table.metadata.tables.values() if each.schema))
    there = {"schema_translate_map": dict.fromkeys(schemas, "pg_temp")}
    name = f"pg_temp.{quote(table.name)}"
    with rolled_back(connection):
        # Keys to other tables are left to Alembic, which compares all of them.
        connection.execute(CreateTable(table, include_foreign_key_constraints=[]), execution_options=there)
        for index in filter(is_wanted, table.indexes):
            connection.execute(CreateIndex(index), execution_options=there)
        model = _read(connection, connection.scalar(_TABLE, {"name": name}) or 0, schema=None)
        for kind, each in model.keys() & database.keys():
            both = model[kind, each], database[kind, each]
            if kind in {"c", "index"} and both[0] != both[1] and _say_the_same(connection, name, kind, both):
                model[kind, each] = database[kind, each]
    return model


def _say_the_same(connection: Connection, table: str, kind: str, definitions: tuple[str, str]) -> bool:
    """Return True when definitions are one as soon as the server reads them once more.

    What it prints, it may print otherwise after that: `IN` on a varchar, say, when a dump was restored.
    """
    readings = set()
    for definition in definitions:
        if kind == "index":
            start = "CREATE UNIQUE" if definition.startswith("CREATE UNIQUE") else "CREATE"
            make = f"{start} INDEX reading ON {table} USING {definition.partition(' USING ')[2]}"
            read = "SELECT pg_get_indexdef('pg_temp.reading'::regclass)"
        else:
            make = f"ALTER TABLE {table} ADD CONSTRAINT reading {definition}"
            read = "SELECT pg_get_constraintdef(oid) FROM pg_constraint WHERE conname = 'reading'"
        try:
            with rolled_back(connection):
                connection.exec_driver_sql(make)
                readings.add(connection.exec_driver_sql(read).scalar())
        except DBAPIError:
            return False
    return len(readings) == 1


def list_enums(metadata: MetaData) -> dict[Name, list[str]]:
    """Return the labels of the models' enum types, by schema and name."""
    kinds = (find_enum(column.type) for table in metadata.sorted_tables for column in table.columns)
    return {(kind.schema, kind.name): list(kind.enums) for kind in kinds if kind is not None and kind.name}


def find_enum(kind: TypeEngine[Any]) -> Enum | None:
    """Return the enum type that a column's type is, or is an array of."""
    while isinstance(kind, TypeDecorator | ARRAY):
        kind = kind.item_type if isinstance(kind, ARRAY) else kind.load_dialect_impl(DIALECT)
    return kind if isinstance(kind, Enum) and kind.native_enum else None


def literal(value: str) -> str:
    """Return a string for SQL."""
    return "'" + value.replace("'", "''") + "'"


@contextmanager
def rolled_back(connection: Connection) -> Iterator[None]:
    """Take back what is done in the block."""
    savepoint = connection.begin_nested()
    try:
        yield
    finally:
        savepoint.rollback()
