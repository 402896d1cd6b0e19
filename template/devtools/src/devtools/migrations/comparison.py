"""The comparison of models and database, and the operations of a migration that makes the difference."""

import json
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field

from alembic.operations.ops import CreateIndexOp, CreateTableOp, DropColumnOp, DropTableOp, MigrateOperation
from sqlalchemy import Connection, MetaData, Table, text

from devtools.migrations.catalogs import Key, Sides, key_of, list_enums, list_indexes, literal, quote, read_sides
from devtools.migrations.changes import change_columns, change_constraints, drop_columns
from devtools.migrations.operations import Sql

_VERSIONS = "alembic_version"


@dataclass
class Comparison:
    """The difference between models and database.

    Attributes:
        operations: The operations of a migration that makes it.
        by_hand: Sentences on what these do not do, or do only where the rows allow it.
        notes: What is not compared.
    """

    operations: list[MigrateOperation] = field(default_factory=list)
    by_hand: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    @property
    def losses(self) -> list[str]:
        """The tables and columns that it would drop, `table` or `table.column`."""
        drops = [each for each in self.operations if isinstance(each, DropTableOp | DropColumnOp)]
        return [Key("", each.schema or "", each.table_name, getattr(each, "column_name", "")).path for each in drops]


def compare(connection: Connection, metadata: MetaData, *, kept: Collection[str]) -> Comparison:
    """Compare models with a database, which is left as it is.

    Args:
        connection: To the database.
        metadata: The tables of the models.
        kept: Tables and columns without a model that are left alone: `table` or `table.column`.
    """
    sides = read_sides(connection, metadata)
    found = Comparison(notes=list(_not_compared(sides)))
    models = {key_of(table): table for table in metadata.sorted_tables}
    gone = sorted(key for key in sides.database if key.kind == "table" and key not in models)
    gone = [key for key in gone if key.path not in {_VERSIONS, *kept}]
    compared = {key for key, table in models.items() if key in sides.database and table not in sides.refused}
    old, new = change_constraints(sides, compared, gone, kept)
    found.operations += [*_new_schemas(sides, connection), *_change_enums(sides, found), *old]
    for key, table in models.items():
        if key not in sides.database:
            indexes = list_indexes(table, sides.extensions)
            found.operations += [CreateTableOp.from_table(table), *map(CreateIndexOp.from_index, indexes)]
        elif key in compared:
            found.operations += _change_comment(sides, table)
            found.operations += [*change_columns(sides, table, found.by_hand), *drop_columns(sides, table, kept)]
    found.operations += [*new, *(DropTableOp.from_table(sides.reflect(key)) for key in gone)]
    return found


def _new_schemas(sides: Sides, connection: Connection) -> Iterator[Sql]:
    there = set(connection.scalars(text("SELECT nspname FROM pg_namespace")))
    for schema in sorted({key.schema for key in sides.models} - {"", *there}):
        yield Sql(f"CREATE SCHEMA {quote(schema)}", f"DROP SCHEMA {quote(schema)}")


def _change_enums(sides: Sides, found: Comparison) -> Iterator[Sql]:
    """Yield what makes types and adds labels. What is there beyond the models stays: it refuses nothing."""
    for (schema, name), labels in list_enums(sides.metadata).items():
        key = Key("enum", schema or "", name)
        spelt = key.sql
        if key not in sides.database:
            yield Sql(f"CREATE TYPE {spelt} AS ENUM ({', '.join(map(literal, labels))})", f"DROP TYPE {spelt}")
            continue
        there = json.loads(sides.database[key])
        for number, label in enumerate(labels):
            if label not in there:
                place = f"AFTER {literal(labels[number - 1])}" if number else f"BEFORE {literal(there[0])}"
                yield Sql(f"ALTER TYPE {spelt} ADD VALUE IF NOT EXISTS {literal(label)} {place}", None, alone=True)
        if more := [label for label in there if label not in labels]:
            found.notes.append(f"labels of the enum type {name} that only the database has: {', '.join(more)}")
        elif [label for label in labels if label in there] != there:
            found.notes.append(f"the order of the labels of the enum type {name}")


def _change_comment(sides: Sides, table: Table) -> Iterator[Sql]:
    key = key_of(table)
    before, after = sides.database[key], table.comment or ""
    if before != after:
        start = f"COMMENT ON TABLE {key.sql} IS"
        yield Sql(f"{start} {literal(after)}", f"{start} {literal(before)}")


def _not_compared(sides: Sides) -> Iterator[str]:
    for table, reason in sides.refused.items():
        yield f"the table {table.fullname} ({reason})"
    tables = sides.metadata.tables.values()
    if any(constraint.comment for table in tables for constraint in table.constraints):
        yield "comments of constraints"
    if sides.metadata._sequences:  # noqa: SLF001 — there is no other way to ask
        yield "sequences"
    if any(table.dialect_kwargs or table._prefixes for table in tables):  # noqa: SLF001 — the same
        yield "options of tables, such as storage parameters and partitions"
