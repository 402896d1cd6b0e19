"""Tables in the server's own words: those of the database, and the models' as they would be there.

PostgreSQL rewrites what it is told: a CHECK, a default or an index reads differently in its catalogues than in a model.
So the models' tables are made as temporary ones, read, and rolled back; what differs then, differs.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cached_property
from typing import Any, NamedTuple

from sqlalchemy import ARRAY, Column, Connection, Enum, Index, MetaData, Table, text
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
_DIALECT = postgresql.asyncpg.dialect()  # type: ignore[no-untyped-call] # SQLAlchemy's own
_TABLE = text("SELECT to_regclass(:name)::oid")


class Pair(NamedTuple):
    """A table as its model declares it, and as the database has it."""

    model: Facts
    database: Facts


class Catalogs:
    """The tables that both the models and the database have, read once.

    Attributes:
        notes: The tables whose model could not be made as a temporary one, and why.
    """

    def __init__(self, connection: Connection, metadata: MetaData, *, is_wanted: Callable[[Index], bool]) -> None:
        self._connection = connection
        self._metadata = metadata
        self._is_wanted = is_wanted
        self.notes: list[str] = []

    @cached_property
    def pairs(self) -> dict[Name, Pair]:
        """The tables by schema and name."""
        connection = self._connection
        self.notes.clear()
        with rolled_back(connection):
            real = {
                (table.schema, table.name): self._read(oid, schema=table.schema)
                for table in self._metadata.sorted_tables
                if (oid := connection.scalar(_TABLE, {"name": quoted(connection, table)}))
            }
            for (_, name), labels in enums(self._metadata).items():
                quoted_name = connection.dialect.identifier_preparer.quote(name)
                values = ", ".join(literal(label) for label in labels)
                connection.exec_driver_sql(f"CREATE TYPE pg_temp.{quoted_name} AS ENUM ({values})")
            found = {}
            for table in self._metadata.sorted_tables:
                database = real.get((table.schema, table.name))
                if database is not None and (model := self._model(table, database)) is not None:
                    found[table.schema, table.name] = Pair(model, database)
            return found

    def type_differs(self, _context: Any, _found: Any, column: Column[Any], *_: Any) -> bool | None:  # noqa: ANN401
        """Compare a column's type; None where Alembic may try."""
        pair = self.pairs.get((column.table.schema, column.table.name))
        key = ("type", column.name)
        return pair and pair.model.get(key) != pair.database.get(key)

    def default_differs(self, column: Column[Any]) -> bool | None:
        """Compare a column's default; None where Alembic may try. What is generated is another question."""
        pair = self.pairs.get((column.table.schema, column.table.name))
        if pair is None:
            return None
        key = ("default", column.name)
        if column.server_default is None and pair.model.get(key, "").startswith("nextval("):
            return False  # as Alembic: no operation gives a column a sequence
        generated = any((kind, column.name) in facts for facts in pair for kind in ("generated", "identity"))
        return not generated and pair.model.get(key) != pair.database.get(key)

    def _read(self, oid: int, *, schema: str | None) -> Facts:
        with rolled_back(self._connection):
            if schema:
                path = self._connection.dialect.identifier_preparer.quote(schema)
                self._connection.exec_driver_sql(f"SET LOCAL search_path = {path}, public")
            rows = self._connection.execute(_FACTS, {"table": oid}).all()
        return {(kind, name): value for kind, name, value in rows}

    def _model(self, table: Table, database: Facts) -> Facts | None:
        connection = self._connection
        there = {"schema_translate_map": dict.fromkeys((None, *_schemas(self._metadata)), "pg_temp")}
        try:
            with rolled_back(connection):
                # Keys to other tables are left to Alembic, which compares all of them.
                connection.execute(CreateTable(table, include_foreign_key_constraints=[]), execution_options=there)
                for index in table.indexes:
                    if self._is_wanted(index):
                        connection.execute(CreateIndex(index), execution_options=there)
                name = connection.dialect.identifier_preparer.quote(table.name)
                oid = connection.scalar(_TABLE, {"name": f"pg_temp.{name}"})
                model = self._read(oid, schema=None)
                for key in model.keys() & database.keys():
                    both = model[key], database[key]
                    if key[0] in {"c", "index"} and self._say_the_same(f"pg_temp.{name}", key[0], *both):
                        model[key] = database[key]
                return model
        except DBAPIError as error:
            reason = str((error.orig and error.orig.__cause__) or error.orig).partition("\n")[0]
            self.notes.append(f"checks, defaults and types of {table.fullname} ({reason})")
            return None

    def _say_the_same(self, table: str, kind: str, *definitions: str) -> bool:
        """Return whether definitions are one when the server reads them once more.

        What it prints, it may print otherwise after that: `IN` on a varchar, say, when a dump was restored.
        """
        readings = set()
        for definition in definitions:
            try:
                with rolled_back(self._connection):
                    if kind == "index":
                        start = "CREATE UNIQUE" if definition.startswith("CREATE UNIQUE") else "CREATE"
                        rest = definition.partition(" USING ")[2]
                        self._connection.exec_driver_sql(f"{start} INDEX reading ON {table} USING {rest}")
                        reading = "SELECT pg_get_indexdef('pg_temp.reading'::regclass)"
                    else:
                        self._connection.exec_driver_sql(f"ALTER TABLE {table} ADD CONSTRAINT reading {definition}")
                        reading = "SELECT pg_get_constraintdef(oid) FROM pg_constraint WHERE conname = 'reading'"
                    readings.add(self._connection.exec_driver_sql(reading).scalar())
            except DBAPIError:
                return False
        return len(readings) == 1


def enums(metadata: MetaData) -> dict[Name, list[str]]:
    """Return the labels of the enum types of the models, by schema and name."""
    found: dict[Name, list[str]] = {}
    for table in metadata.sorted_tables:
        for column in table.columns:
            kind = enum_of(column.type)
            if kind is not None and kind.name:
                found[kind.schema, kind.name] = list(kind.enums)
    return found


def enum_of(kind: TypeEngine[Any]) -> Enum | None:
    """Return the enum type that a column's type is, or is an array of."""
    while isinstance(kind, TypeDecorator | ARRAY):
        kind = kind.item_type if isinstance(kind, ARRAY) else kind.load_dialect_impl(_DIALECT)
    return kind if isinstance(kind, Enum) and kind.native_enum else None


def quoted(connection: Connection, table: Table) -> str:
    """Return a table's name for SQL."""
    return connection.dialect.identifier_preparer.format_table(table)


def literal(value: str) -> str:
    """Return a string for SQL."""
    return "'" + value.replace("'", "''") + "'"


def _schemas(metadata: MetaData) -> set[str]:
    return {table.schema for table in metadata.tables.values() if table.schema}


@contextmanager
def rolled_back(connection: Connection) -> Iterator[None]:
    """Take back what is done in the block."""
    savepoint = connection.begin_nested()
    try:
        yield
    finally:
        savepoint.rollback()
