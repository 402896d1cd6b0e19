"""Tables in the server's own words: those of the database, and the models' as they would be there.

PostgreSQL rewrites what it is told: a CHECK, a default or an index reads differently in its catalogues than in a model.
So the models' tables are made in schemas of their own, read, and rolled back.
"""

from collections.abc import Callable, Collection, Mapping
from typing import Any, NamedTuple

from sqlalchemy import ARRAY, Connection, Enum, Index, MetaData, Table, text
from sqlalchemy.dialects import postgresql
from sqlalchemy.exc import DBAPIError
from sqlalchemy.schema import AddConstraint, CreateIndex, CreateTable, ExecutableDDLElement
from sqlalchemy.types import TypeDecorator, TypeEngine

_FACTS = text("""
WITH tables AS (
    SELECT c.oid, nspname AS schema, relname AS name FROM pg_class c JOIN pg_namespace n ON n.oid = relnamespace
    WHERE relkind IN ('r', 'p') AND NOT relispartition AND nspname = ANY(:schemas)
        AND NOT EXISTS (SELECT FROM pg_depend WHERE objid = c.oid AND deptype = 'e')
)
SELECT 'table', schema, name, '', coalesce(obj_description(oid, 'pg_class'), '') FROM tables
UNION ALL
SELECT fact.kind, schema, name, attname, fact.value
FROM tables JOIN pg_attribute ON attrelid = tables.oid AND attnum > 0 AND NOT attisdropped
JOIN pg_type t ON t.oid = atttypid
LEFT JOIN pg_collation c ON c.oid = attcollation AND attcollation <> typcollation
LEFT JOIN pg_attrdef ON adrelid = attrelid AND adnum = attnum
LEFT JOIN pg_depend s ON refobjid = attrelid AND refobjsubid = attnum AND deptype = 'i' AND attidentity <> ''
LEFT JOIN pg_sequence ON seqrelid = s.objid
CROSS JOIN LATERAL (VALUES
    ('type', format_type(atttypid, atttypmod) || coalesce(' COLLATE ' || quote_ident(collname), '')),
    ('not null', CASE WHEN attnotnull THEN 'NOT NULL' END),
    ('default', CASE attgenerated WHEN '' THEN pg_get_expr(adbin, adrelid) END),
    ('generated', CASE WHEN attgenerated <> '' THEN concat_ws(' ', attgenerated, pg_get_expr(adbin, adrelid)) END),
    ('identity', CASE WHEN attidentity <> '' THEN
        concat_ws(' ', attidentity, seqstart, seqincrement, seqmin, seqmax, seqcache, seqcycle) END),
    ('comment', col_description(attrelid, attnum))
) AS fact (kind, value) WHERE value IS NOT NULL
UNION ALL
SELECT 'constraint', schema, name, conname, regexp_replace(pg_get_constraintdef(c.oid), ' NOT VALID$', '')
FROM tables JOIN pg_constraint c ON conrelid = tables.oid AND contype IN ('c', 'f', 'p', 'u', 'x')
UNION ALL
SELECT 'index', schema, name, relname, regexp_replace(pg_get_indexdef(indexrelid), ' ON .*? USING ', ' ON {} USING ')
FROM tables JOIN pg_index ON indrelid = tables.oid JOIN pg_class ON pg_class.oid = indexrelid
WHERE NOT EXISTS (SELECT FROM pg_constraint WHERE conindid = indexrelid AND contype <> 'f')
UNION ALL
SELECT 'enum', nspname, typname, '', (SELECT json_agg(enumlabel ORDER BY enumsortorder) FROM pg_enum
    WHERE enumtypid = t.oid)::text
FROM pg_type t JOIN pg_namespace n ON n.oid = typnamespace WHERE typtype = 'e' AND nspname = ANY(:schemas)
""")
DIALECT = postgresql.asyncpg.dialect()  # type: ignore[no-untyped-call] # SQLAlchemy's own
quote = DIALECT.identifier_preparer.quote


class Key(NamedTuple):
    """The name of a fact; `schema` is empty for the usual one, `name` is a column's, a constraint's or an index's."""

    kind: str
    schema: str
    table: str
    name: str = ""

    @property
    def path(self) -> str:
        """The names with a point between them, such as `table.column`."""
        return ".".join(filter(None, self[1:]))

    @property
    def sql(self) -> str:
        """The table's or the type's name for SQL."""
        return ".".join(quote(part) for part in self[1:3] if part)


Facts = dict[Key, str]


class Sides(NamedTuple):
    """Models and database in the server's words.

    Attributes:
        metadata: The tables of the models.
        database: What there is.
        models: What there would be.
        restored: The same as the server prints it when it has read its own print: `IN` on a varchar reads differently
            after a dump was restored.
        refused: The tables that the server does not make, which are not compared, each with the reason.
        extensions: What the database has.
        reflect: Returns the table of a key as the database has it, without its keys to others.
    """

    metadata: MetaData
    database: Facts
    models: Facts
    restored: Facts
    refused: dict[Table, str]
    extensions: frozenset[str]
    reflect: Callable[[Key], Table]


def key_of(table: Table, kind: str = "table", name: str = "") -> Key:
    """Return the key of a fact about a model's table."""
    return Key(kind, table.schema or "", table.name, name)


def read_sides(connection: Connection, metadata: MetaData) -> Sides:
    """Read the database and, where they have been made as they would be there, the models; nothing of this is left."""
    default = connection.scalar(text("SELECT current_schema()"))
    extensions = frozenset(connection.scalars(text("SELECT extname FROM pg_extension")))
    schemas = ["", *sorted({table.schema for table in metadata.sorted_tables if table.schema})]
    database = _read(connection, {schema or default: schema for schema in schemas})
    places = {f"models_compared_{number}": schema for number, schema in enumerate(schemas)}
    savepoint = connection.begin_nested()
    try:
        path = connection.scalar(text("SELECT current_setting('search_path')"))
        for place in places:
            connection.exec_driver_sql(f"CREATE SCHEMA {place}")
        connection.exec_driver_sql(f"SET LOCAL search_path = models_compared_0, {path}")
        there = {schema: place for place, schema in places.items()}
        refused = _make(connection, metadata, extensions, {schema or None: place for schema, place in there.items()})
        models = _read(connection, places)
        for key, definition in models.items():
            place, name = there[key.schema], quote(key.name)
            if key.kind == "index":
                connection.exec_driver_sql(f"DROP INDEX {place}.{name}")
                connection.exec_driver_sql(definition.replace("{}", f"{place}.{quote(key.table)}", 1))
            elif key.kind == "constraint" and definition.startswith("CHECK "):
                again = f"DROP CONSTRAINT {name}, ADD CONSTRAINT {name} {definition}"
                connection.exec_driver_sql(f"ALTER TABLE {place}.{quote(key.table)} {again}")
        restored = _read(connection, places)
    finally:
        savepoint.rollback()
    reflected = MetaData()

    def reflect(key: Key) -> Table:
        options: dict[str, Any] = {"schema": key.schema or None, "autoload_with": connection, "resolve_fks": False}
        table = Table(key.table, reflected, keep_existing=True, **options)
        table.constraints -= table.foreign_key_constraints
        return table

    return Sides(metadata, database, models, restored, refused, extensions, reflect)


def _read(connection: Connection, schemas: Mapping[str, str]) -> Facts:
    """Return what there is in schemas, each with the one that is said to have been read instead."""
    facts = {}
    for kind, schema, table, name, value in connection.execute(_FACTS, {"schemas": list(schemas)}):
        for place, said in schemas.items():
            if said:
                value = value.replace(f"{place}.", f"{quote(said)}.")  # noqa: PLW2901 — step by step
        facts[Key(kind, schemas[schema], table, name)] = value
    return facts


def _make(
    connection: Connection, metadata: MetaData, extensions: Collection[str], places: Mapping[str | None, str]
) -> dict[Table, str]:
    for (schema, name), labels in list_enums(metadata).items():
        labels_quoted = ", ".join(map(literal, labels))
        connection.exec_driver_sql(f"CREATE TYPE {places[schema]}.{quote(name)} AS ENUM ({labels_quoted})")
    tables = metadata.sorted_tables
    statements: list[tuple[Table, ExecutableDDLElement]] = [
        *((table, CreateTable(table, include_foreign_key_constraints=[])) for table in tables),
        *(
            (table, AddConstraint(key, isolate_from_table=False))
            for table in tables
            for key in table.foreign_key_constraints
        ),
        *((table, CreateIndex(index)) for table in tables for index in list_indexes(table, extensions)),
    ]
    refused: dict[Table, str] = {}
    for table, statement in statements:
        try:
            with connection.begin_nested():
                connection.execute(statement, execution_options={"schema_translate_map": places})
        except DBAPIError as error:
            reason = str((error.orig and error.orig.__cause__) or error.orig).partition("\n")[0]
            refused.setdefault(table, reason)
    return refused


def list_indexes(table: Table, extensions: Collection[str]) -> list[Index]:
    """Return the indexes of a model's table, by name, but for those whose extension the database lacks."""
    found = (index for index in table.indexes if index.info.get("requires_extension") in {None, *extensions})
    return sorted(found, key=lambda index: index.name or "")


def list_enums(metadata: MetaData) -> dict[tuple[str | None, str], list[str]]:
    """Return the labels of the models' enum types, by schema and name."""
    kinds = (_find_enum(column.type) for table in metadata.sorted_tables for column in table.columns)
    return {(kind.schema, kind.name): list(kind.enums) for kind in kinds if kind is not None and kind.name}


def _find_enum(kind: TypeEngine[Any]) -> Enum | None:
    """Return the enum type that a column's type is, or is an array of."""
    while isinstance(kind, TypeDecorator | ARRAY):
        kind = kind.item_type if isinstance(kind, ARRAY) else kind.load_dialect_impl(DIALECT)
    return kind if isinstance(kind, Enum) and kind.native_enum else None


def literal(value: str) -> str:
    """Return a string for SQL."""
    return "'" + value.replace("'", "''") + "'"
