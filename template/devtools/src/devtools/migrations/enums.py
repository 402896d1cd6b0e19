"""Enum types: made, dropped, and given new labels."""

from collections.abc import Collection, Iterator

from alembic.operations.ops import DropTableOp
from sqlalchemy import Connection, MetaData, text

from devtools.migrations.catalogs import Name, list_enums, literal, quote
from devtools.migrations.operations import Comparison, Sql, flat

_ENUMS = text("""
SELECT CASE nspname WHEN current_schema() THEN NULL ELSE nspname END, typname,
    (SELECT array_agg(enumlabel::text ORDER BY enumsortorder) FROM pg_enum WHERE enumtypid = t.oid),
    ARRAY(SELECT relname || '.' || attname FROM pg_attribute JOIN pg_class c ON c.oid = attrelid
        WHERE atttypid IN (t.oid, t.typarray) AND relkind IN ('r', 'p') AND NOT attisdropped)
FROM pg_type t JOIN pg_namespace n ON n.oid = typnamespace
WHERE typtype = 'e' AND n.oid <> pg_my_temp_schema()
    AND NOT EXISTS (SELECT FROM pg_depend WHERE objid = t.oid AND deptype = 'e')
""")


def change_enums(
    connection: Connection, metadata: MetaData, comparison: Comparison, *, kept: Collection[str]
) -> Iterator[Sql]:
    """Yield what makes and drops types and adds labels; what the database has beyond the models is a note."""
    ours = list_enums(metadata)
    theirs: dict[Name, tuple[list[str], list[str]]] = {
        (schema, name): (labels or [], users) for schema, name, labels, users in connection.execute(_ENUMS)
    }
    for (schema, name), labels in ours.items():
        if (schema, name) not in theirs:
            yield Sql(_create(schema, name, labels), _drop(schema, name), order=-2)
            continue
        there, _ = theirs[schema, name]
        for number, label in enumerate(labels):
            if label not in there:
                place = f"AFTER {literal(labels[number - 1])}" if number else f"BEFORE {literal(there[0])}"
                add = f"ALTER TYPE {_spelt(schema, name)} ADD VALUE IF NOT EXISTS {literal(label)} {place}"
                yield Sql(add, None, order=-4, alone=True)
        if more := [label for label in there if label not in labels]:
            comparison.notes.append(f"labels of the enum type {name} that only the database has: {', '.join(more)}")
        elif [label for label in labels if label in there] != there:
            comparison.notes.append(f"the order of the labels of the enum type {name}")
    # A type goes with the models' last column of it, never where a table or a column that stays has it.
    known = {table.name for table in metadata.tables.values()}
    known |= {each.table_name for each in flat(comparison.operations) if isinstance(each, DropTableOp)}
    for (schema, name), (labels, users) in theirs.items():
        stays = any(user in kept or (table := user.partition(".")[0]) in kept or table not in known for user in users)
        if (schema, name) not in ours and users and not stays:
            yield Sql(_drop(schema, name), _create(schema, name, labels), order=9)


def _create(schema: str | None, name: str, labels: list[str]) -> str:
    return f"CREATE TYPE {_spelt(schema, name)} AS ENUM ({', '.join(map(literal, labels))})"


def _drop(schema: str | None, name: str) -> str:
    return f"DROP TYPE {_spelt(schema, name)}"


def _spelt(schema: str | None, name: str) -> str:
    return ".".join(quote(part) for part in (schema, name) if part)
