"""The comparison of models and database, and the operations of a migration that makes the difference."""

import json
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field

from alembic.operations.ops import CreateIndexOp, CreateTableOp, DropColumnOp, DropTableOp, MigrateOperation
from sqlalchemy import Connection, MetaData, Table, text

from devtools.migrations.catalogs import Key, Sides, key_of, literal, quote, read_sides
from devtools.migrations.operations import Sql, change_columns, change_constraints, relax_column

_VERSIONS = "alembic_version"


@dataclass
class Comparison:
    """The difference between models and database: what makes it, and sentences on what that does not do."""

    operations: list[MigrateOperation] = field(default_factory=list)
    by_hand: list[str] = field(default_factory=list)

    @property
    def losses(self) -> list[str]:
        """The tables and columns that it would drop, `table` or `table.column`."""
        drops = [each for each in self.operations if isinstance(each, DropTableOp | DropColumnOp)]
        return [Key("", each.schema or "", each.table_name, getattr(each, "column_name", "")).path for each in drops]


def compare(connection: Connection, metadata: MetaData, *, kept: Collection[str]) -> Comparison:
    """Compare models with a database, which is left as it is; ConfigurationError where they cannot be made there.

    What is `kept` is left alone: tables and columns without a model, `table` or `table.column`.
    """
    sides = read_sides(connection, metadata)
    found = Comparison()
    models = {key_of(table): table for table in metadata.sorted_tables}
    gone = sorted(key for key in sides.database if key.kind == "table" and key not in models)
    gone = [key for key in gone if key.path not in {_VERSIONS, *kept}]
    old, new = change_constraints(sides, models.keys() & sides.database.keys(), gone, kept)
    found.operations += [*_new_schemas(sides, connection), *_change_enums(sides), *old]
    for key, table in models.items():
        if key in sides.database:
            found.operations += change_columns(sides, table, found.by_hand)
            found.operations += _drop_columns(sides, table, connection, kept)
        else:
            there = (index for index in table.indexes if key_of(table, "index", index.name or "") in sides.models)
            indexes = sorted(there, key=lambda index: index.name or "")
            found.operations += [CreateTableOp.from_table(table), *map(CreateIndexOp.from_index, indexes)]
    found.operations += [*new, *(DropTableOp.from_table(_reflect(key, connection)) for key in gone)]
    return found


def _new_schemas(sides: Sides, connection: Connection) -> Iterator[Sql]:
    there = set(connection.scalars(text("SELECT nspname FROM pg_namespace")))
    for schema in sorted({key.schema for key in sides.models} - {"", *there}):
        yield Sql(f"CREATE SCHEMA {quote(schema)}", f"DROP SCHEMA {quote(schema)}")


def _change_enums(sides: Sides) -> Iterator[Sql]:
    """Yield what makes types and adds labels. What is there beyond the models stays: it refuses nothing."""
    for key in sides.models:
        if key.kind == "enum":
            labels, there = (json.loads(facts.get(key, "[]")) for facts in (sides.models, sides.database))
            if not there:
                yield Sql(f"CREATE TYPE {key.sql} AS ENUM ({', '.join(map(literal, labels))})", f"DROP TYPE {key.sql}")
            else:
                new = (literal(label) for label in labels if label not in there)
                yield from (Sql(f"ALTER TYPE {key.sql} ADD VALUE IF NOT EXISTS {label}", None) for label in new)


def _drop_columns(
    sides: Sides, table: Table, connection: Connection, kept: Collection[str]
) -> Iterator[MigrateOperation]:
    """Yield what drops the columns that no model has, or has those that are kept empty in new rows."""
    for key in sorted(sides.database):
        if key == key_of(table, "type", key.name) and key not in sides.models:
            if key.path in kept:
                yield from relax_column(sides, key)
            else:
                column = _reflect(key, connection).columns[key.name]
                yield DropColumnOp.from_column_and_tablename(table.schema, table.name, column)


def _reflect(key: Key, connection: Connection) -> Table:
    """Return a table as the database has it, without its keys to others."""
    table = Table(key.table, MetaData(), schema=key.schema or None, autoload_with=connection, resolve_fks=False)
    table.constraints -= table.foreign_key_constraints
    return table
