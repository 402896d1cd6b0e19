"""Tables in the server's own words: those of the database, and the models' as they would be there.

PostgreSQL rewrites what it is told: a CHECK, a default or an index reads differently in its catalogues than in a model.
So the models' tables are made in schemas of their own, read, and rolled back.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

from sqlalchemy import Connection, MetaData, Table, text
from sqlalchemy.dialects import postgresql
from sqlalchemy.exc import DBAPIError

from app.cli.migrations import reason_of
from app.core.exceptions import ConfigurationError

_FACTS = text("""
WITH tables AS (
    SELECT c.oid, nspname AS schema, relname AS name FROM pg_class c JOIN pg_namespace n ON n.oid = relnamespace
    WHERE relkind IN ('r', 'p') AND NOT relispartition AND nspname = ANY(:schemas)
        AND NOT EXISTS (SELECT FROM pg_depend WHERE objid = c.oid AND deptype = 'e')
)
SELECT 'table', schema, name, '', '' FROM tables
UNION ALL
SELECT fact.kind, schema, name, attname, fact.value
FROM tables JOIN pg_attribute ON attrelid = tables.oid AND attnum > 0 AND NOT attisdropped
JOIN pg_type t ON t.oid = atttypid
LEFT JOIN pg_collation c ON c.oid = attcollation AND attcollation <> typcollation
LEFT JOIN pg_attrdef ON adrelid = attrelid AND adnum = attnum
CROSS JOIN LATERAL (VALUES
    ('type', format_type(atttypid, atttypmod) || coalesce(' COLLATE ' || quote_ident(collname), '')),
    ('not null', CASE WHEN attnotnull THEN 'NOT NULL' END),
    ('default', CASE attgenerated WHEN '' THEN pg_get_expr(adbin, adrelid) END),
    ('generated', nullif(concat(attidentity, CASE WHEN attgenerated <> '' THEN pg_get_expr(adbin, adrelid) END), ''))
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
quote = postgresql.asyncpg.dialect().identifier_preparer.quote  # type: ignore[no-untyped-call] # SQLAlchemy's own


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
        database: What there is.
        models: What there would be.
        restored: The same as the server prints it when it has read its own print: `IN` on a varchar reads differently
            in a migration, and after a dump was restored.
    """

    database: Facts
    models: Facts
    restored: Facts


def key_of(table: Table, kind: str = "table", name: str = "") -> Key:
    """Return the key of a fact about a model's table."""
    return Key(kind, table.schema or "", table.name, name)


def read_sides(connection: Connection, metadata: MetaData) -> Sides:
    """Read the database and, where they have been made as they would be there, the models; nothing of this is left."""
    default, path = connection.execute(text("SELECT current_schema(), current_setting('search_path')")).one()
    schemas = ["", *sorted({table.schema for table in metadata.tables.values() if table.schema})]
    database = _read(connection, {schema or default: schema for schema in schemas})
    places = {f"models_compared_{number}": schema for number, schema in enumerate(schemas)}
    extensions = set(connection.scalars(text("SELECT extname FROM pg_extension")))

    def is_possible(_ddl: object, index: Any, *_: object, **__: object) -> bool:  # noqa: ANN401 — SQLAlchemy's own
        return index.info.get("requires_extension") in {None, *extensions}

    for index in (index for table in metadata.tables.values() for index in table.indexes):
        index.ddl_if(callable_=is_possible)  # type: ignore[arg-type] # the names of arguments
    savepoint = connection.begin_nested()
    try:
        for place in places:
            connection.exec_driver_sql(f"CREATE SCHEMA {place}")
        connection.exec_driver_sql(f"SET LOCAL search_path = models_compared_0, {path}")
        at = {schema: place for place, schema in places.items()}
        connection.execution_options(schema_translate_map={schema or None: at[schema] for schema in at})
        metadata.create_all(connection, checkfirst=False)
        models = _read(connection, places)
        for key, definition in models.items():
            place, name = at[key.schema], quote(key.name)
            if key.kind == "index":
                connection.exec_driver_sql(f"DROP INDEX {place}.{name}")
                connection.exec_driver_sql(definition.replace("{}", f"{place}.{quote(key.table)}", 1))
            elif key.kind == "constraint" and definition.startswith("CHECK "):
                again = f"DROP CONSTRAINT {name}, ADD CONSTRAINT {name} {definition}"
                connection.exec_driver_sql(f"ALTER TABLE {place}.{quote(key.table)} {again}")
        return Sides(database, models, _read(connection, places))
    except DBAPIError as error:
        raise ConfigurationError(
            f"The database does not make the models' tables: {reason_of(error)}.",
            next_step="Correct the model, or write and apply a migration that makes what it needs.",
        ) from error
    finally:
        connection.execution_options(schema_translate_map=None)
        savepoint.rollback()


def _read(connection: Connection, schemas: Mapping[str, str]) -> Facts:
    """Return what there is in schemas, each with the one that is said to have been read instead."""
    facts = {}
    for kind, schema, table, name, value in connection.execute(_FACTS, {"schemas": list(schemas)}):
        for place, said in schemas.items():
            if said:
                value = value.replace(f"{place}.", f"{quote(said)}.")  # noqa: PLW2901 — step by step
        facts[Key(kind, schemas[schema], table, name)] = value
    return facts


def literal(value: str) -> str:
    """Return a string for SQL."""
    return "'" + value.replace("'", "''") + "'"
