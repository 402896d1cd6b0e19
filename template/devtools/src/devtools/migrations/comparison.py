"""The comparison of models and database: Alembic's, and what that leaves out."""

from collections.abc import Callable, Collection, Iterator
from typing import Any

from alembic.autogenerate import produce_migrations
from alembic.migration import MigrationContext
from alembic.operations.ops import MigrateOperation
from sqlalchemy import Connection, MetaData, text

from devtools.migrations.catalogs import quote, read_pairs
from devtools.migrations.columns import change_columns, fill_columns
from devtools.migrations.constraints import change_constraints
from devtools.migrations.enums import change_enums
from devtools.migrations.operations import Comparison, Sql, flat

# Types and defaults are compared in the server's words: Alembic's own comparison stumbles over a quote.
_PLUGINS = ("alembic.autogenerate.*", "~alembic.autogenerate.types", "~alembic.autogenerate.defaults")
_SCHEMAS = text("""
SELECT nspname FROM pg_namespace n WHERE nspname !~ '^pg_' AND nspname NOT IN ('information_schema', current_schema())
    AND NOT EXISTS (SELECT FROM pg_depend WHERE objid = n.oid AND deptype = 'e')
""")


def compare(connection: Connection, metadata: MetaData, *, kept: Collection[str]) -> Comparison:
    """Compare models with a database, which is left as it is.

    Args:
        connection: To the database.
        metadata: The tables of the models.
        kept: Tables and columns without a model that are left alone: `table` or `table.column`.
    """
    extensions = set(connection.scalars(text("SELECT extname FROM pg_extension")))

    def is_wanted(item: Any) -> bool:  # noqa: ANN401 — a table, a column or an index
        required = getattr(item, "info", {}).get("requires_extension")
        return required is None or required in extensions

    pairs, notes = read_pairs(connection, metadata, is_wanted=is_wanted)
    operations = _ask_alembic(connection, metadata, is_wanted=is_wanted, kept=kept)
    comparison = Comparison(operations, notes=[*notes, *_not_compared(metadata)])
    named = {getattr(each, name, None) for each in flat(operations) for name in ("index_name", "constraint_name")}
    extra = [
        *_change_schemas(connection, metadata, comparison),
        *change_enums(connection, metadata, comparison, kept=kept),
        *fill_columns(metadata, comparison),
    ]
    for table in metadata.sorted_tables:
        if pair := pairs.get((table.schema, table.name)):
            extra += change_constraints(table, pair, by_alembic=named, kept=kept)
            extra += change_columns(connection, table, pair, comparison)
    operations[:] = sorted([*operations, *extra], key=lambda each: each.order if isinstance(each, Sql) else 0)
    return comparison


def _ask_alembic(
    connection: Connection, metadata: MetaData, *, is_wanted: Callable[[Any], bool], kept: Collection[str]
) -> list[MigrateOperation]:
    schemas = {table.schema for table in metadata.tables.values()}

    def include_object(item: Any, name: str | None, kind: str, reflected: bool, other: Any) -> bool:  # noqa: ANN401, FBT001 — Alembic's protocol
        if reflected and other is None and kind in {"table", "column"}:
            return (item.fullname if kind == "table" else f"{item.table.fullname}.{name}") not in kept
        return is_wanted(item)

    context = MigrationContext.configure(
        connection,
        opts={
            "target_metadata": metadata,
            "include_object": include_object,
            "include_name": lambda name, kind, _parents: kind != "schema" or name in schemas | {None},
            "include_schemas": schemas != {None},
            "autogenerate_plugins": _PLUGINS,
        },
    )
    found = produce_migrations(context, metadata).upgrade_ops
    return found.ops if found else []


def _change_schemas(connection: Connection, metadata: MetaData, comparison: Comparison) -> Iterator[Sql]:
    ours = {table.schema for table in metadata.tables.values() if table.schema}
    theirs = set(connection.scalars(_SCHEMAS))
    for schema in sorted(ours - theirs):
        yield Sql(f"CREATE SCHEMA {quote(schema)}", f"DROP SCHEMA {quote(schema)}", order=-3)
    if others := sorted(theirs - ours):
        comparison.notes.append(f"schemas that no model names: {', '.join(others)}")


def _not_compared(metadata: MetaData) -> Iterator[str]:
    tables = metadata.tables.values()
    if any(constraint.comment for table in tables for constraint in table.constraints):
        yield "comments of constraints"
    if metadata._sequences:  # noqa: SLF001 — there is no other way to ask
        yield "sequences"
    if any(table.dialect_kwargs or table._prefixes for table in tables):  # noqa: SLF001 — the same
        yield "options of tables, such as storage parameters and partitions"
