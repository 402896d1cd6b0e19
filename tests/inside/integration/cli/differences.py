"""Every kind of difference that a model can declare, as tables before and after."""

from collections.abc import Callable
from typing import Any, NamedTuple

from sqlalchemy import (
    ARRAY,
    BigInteger,
    CheckConstraint,
    Column,
    Computed,
    DateTime,
    Enum,
    ForeignKey,
    Identity,
    Index,
    Integer,
    MetaData,
    PrimaryKeyConstraint,
    String,
    Table,
    Text,
    UniqueConstraint,
    Uuid,
    func,
    text,
)
from sqlalchemy.dialects.postgresql import INT4RANGE, JSONB, ExcludeConstraint
from sqlalchemy.schema import SchemaItem

Parts = Callable[[], list[SchemaItem]]


class Case(NamedTuple):
    """A table before and after; None where there is none."""

    before: Parts | None
    after: Parts | None
    options: dict[str, Any] = {}  # noqa: RUF012 — never changed


def word(*parts: Any, kind: Any = Text, **options: Any) -> Callable[[], list[SchemaItem]]:
    """A column, and more parts made anew for each table."""
    return lambda: [Column("word", kind() if isinstance(kind, type) else kind, **options), *(make() for make in parts)]


def color(*labels: str, name: str = "law_color") -> Enum:
    return Enum(*labels, name=name)


PLAIN = word()

CASES = {
    "table_added": Case(None, PLAIN),
    "table_dropped": Case(PLAIN, None),
    "column_added": Case(PLAIN, lambda: [*PLAIN(), Column("more", Text)]),
    "column_added_not_null": Case(PLAIN, lambda: [*PLAIN(), Column("more", Text, nullable=False, server_default="x")]),
    "column_dropped": Case(lambda: [*PLAIN(), Column("less", Text)], PLAIN),
    "type": Case(word(kind=Integer), word(kind=BigInteger)),
    "type_by_cast": Case(word(server_default="1"), word(kind=Integer, server_default="1")),
    "type_length": Case(word(kind=String(10)), word(kind=String(20))),
    "collation": Case(PLAIN, word(kind=Text(collation="C"))),
    "nullable": Case(word(nullable=False, server_default="x"), PLAIN),
    "not_nullable": Case(PLAIN, word(nullable=False, server_default="it's")),
    "default_added": Case(PLAIN, word(server_default="it's :here")),
    "default_changed": Case(word(server_default="a"), word(server_default="b")),
    "default_dropped": Case(word(server_default="it's"), PLAIN),
    "default_function": Case(word(kind=DateTime), word(kind=DateTime, server_default=func.now())),
    "default_json": Case(word(kind=JSONB), word(kind=JSONB, server_default=text("""'{"a": "it''s"}'"""))),
    "generated_added": Case(PLAIN, word(lambda: Column("size", Integer, Computed("length(word)", persisted=True)))),
    "identity": Case(
        word(kind=Integer, nullable=False, server_default="7"),
        lambda: [
            Column("word", Integer, nullable=False, server_default="7"),
            Column("n", Integer, Identity(always=True)),
        ],
    ),
    "enum_label": Case(
        word(kind=color("red", "blue"), server_default="red"),
        word(kind=color("pink", "red", "it's green", "blue"), server_default="red"),
    ),
    "enum_array": Case(
        word(kind=ARRAY(color("a", "b", name="law_many"))), word(kind=ARRAY(color("a", "b", "c", name="law_many")))
    ),
    "enum_new": Case(
        PLAIN, lambda: [*PLAIN(), Column("color", color("x", "y", name="law_new"), server_default="x", nullable=False)]
    ),
    "enum_new_again": Case(None, word(kind=color("x", "y", name="law_new"))),
    "enum_from_text": Case(
        word(server_default="x"), word(kind=color("x", "y", name="law_was_text"), server_default="y")
    ),
    "enum_to_text": Case(word(kind=color("x", "y", name="law_old"), server_default="y"), word(server_default="z")),
    "enum_dropped": Case(lambda: [*PLAIN(), Column("gone", color("x", name="law_gone"))], PLAIN),
    "enum_not_native": Case(
        word(kind=Enum("a", name="kinds", native_enum=False, create_constraint=True, length=9)),
        word(kind=Enum("a", "b", name="kinds", native_enum=False, create_constraint=True, length=9)),
    ),
    "check_added": Case(PLAIN, word(lambda: CheckConstraint(r"word <> ' \:x'", name="some"))),
    "check_dropped": Case(word(lambda: CheckConstraint("word <> 'x'", name="some")), PLAIN),
    "check_changed": Case(
        word(lambda: CheckConstraint("word IN ('a', 'b')", name="some")),
        word(lambda: CheckConstraint("word IN ('a', 'b', 'it''s')", name="some")),
    ),
    "check_renamed": Case(
        word(lambda: CheckConstraint("word <> 'x'", name="some")),
        word(lambda: CheckConstraint("word <> 'x'", name="other")),
    ),
    "check_of_new_column": Case(
        PLAIN, word(lambda: Column("n", Integer), lambda: CheckConstraint("n > length(word)", name="more"))
    ),
    "unique_added": Case(PLAIN, word(lambda: UniqueConstraint("word"))),
    "unique_dropped": Case(word(lambda: UniqueConstraint("word")), PLAIN),
    "unique_deferrable": Case(
        word(lambda: UniqueConstraint("word")), word(lambda: UniqueConstraint("word", deferrable=True))
    ),
    "unique_nulls": Case(
        word(lambda: UniqueConstraint("word")),
        word(lambda: UniqueConstraint("word", postgresql_nulls_not_distinct=True)),
    ),
    "exclude_added": Case(
        word(kind=INT4RANGE), word(lambda: ExcludeConstraint(("word", "&&"), name="ex_law"), kind=INT4RANGE)
    ),
    "primary_key_changed": Case(
        lambda: [
            Column("a", Uuid, server_default=func.gen_random_uuid()),
            Column("b", Integer, server_default="1"),
            PrimaryKeyConstraint("a"),
        ],
        lambda: [
            Column("a", Uuid, server_default=func.gen_random_uuid()),
            Column("b", Integer, server_default="1"),
            PrimaryKeyConstraint("a", "b"),
        ],
        {"key": False},
    ),
    "index_added": Case(PLAIN, word(index=True)),
    "index_dropped": Case(word(index=True), PLAIN),
    "index_unique": Case(
        word(lambda: Index("ix_law_unique", "word")), word(lambda: Index("ix_law_unique", "word", unique=True))
    ),
    "index_expression": Case(
        word(lambda: Index("ix_law_expression", text("lower(word)"))),
        word(lambda: Index("ix_law_expression", text("upper(word)"))),
    ),
    "index_partial": Case(
        word(lambda: Index("ix_law_partial", "word", postgresql_where=text("word <> 'a'"))),
        word(lambda: Index("ix_law_partial", "word", postgresql_where=text("word <> 'it''s'"))),
    ),
    "index_gin": Case(
        word(lambda: Index("ix_law_gin", "word", postgresql_using="gin"), kind=JSONB),
        word(
            lambda: Index("ix_law_gin", "word", postgresql_using="gin", postgresql_ops={"word": "jsonb_path_ops"}),
            kind=JSONB,
        ),
    ),
    "index_include": Case(
        word(lambda: Column("n", Integer), lambda: Index("ix_law_include", "word")),
        word(lambda: Column("n", Integer), lambda: Index("ix_law_include", "word", postgresql_include=["n"])),
    ),
    "index_order": Case(
        word(lambda: Index("ix_law_order", "word")), word(lambda: Index("ix_law_order", text("word DESC NULLS LAST")))
    ),
    "foreign_key_added": Case(word(kind=Uuid), lambda: [Column("word", Uuid, ForeignKey("users.id"))]),
    "foreign_key_dropped": Case(lambda: [Column("word", Uuid, ForeignKey("users.id"))], word(kind=Uuid)),
    "foreign_key_action": Case(
        lambda: [Column("word", Uuid, ForeignKey("users.id"))],
        lambda: [Column("word", Uuid, ForeignKey("users.id", ondelete="CASCADE", deferrable=True))],
    ),
    "schema": Case(None, word(kind=color("a", name="law_inside"), server_default="a"), {"schema": "law"}),
    "schema_table": Case(
        word(lambda: CheckConstraint("n > 0", name="n"), lambda: Column("n", Integer), server_default="it's"),
        word(lambda: CheckConstraint("n > 1", name="n"), lambda: Column("n", Integer), server_default="it's not"),
        {"schema": "law_old"},
    ),
}


def declare(metadata: MetaData, name: str, parts: Parts, **options: Any) -> Table:
    key = [Column("id", Integer, primary_key=True)] if options.pop("key", True) else []
    kinds = parts()
    for item in kinds:
        kind = getattr(item, "type", None)
        if isinstance(kind, Enum) and "schema" in options:
            kind.schema = options["schema"]
    return Table(f"law_{name}", metadata, *key, *kinds, **options)
