"""`app db check` and `app db revision` over every kind of difference that a model can declare."""

import asyncio
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from sqlalchemy import (
    ARRAY,
    BigInteger,
    CheckConstraint,
    Column,
    Computed,
    DateTime,
    Double,
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

from app.core.database import Base, migration_engine
from tests.factories import make_settings
from tests.integration.cli.conftest import Run

pytestmark = pytest.mark.process

Items = Callable[[], list[SchemaItem]]


class Case(NamedTuple):
    """A table before and after; None where there is none."""

    before: Items | None
    after: Items | None
    options: dict[str, Any] = {}  # noqa: RUF012 — never changed


def word(*items: Any, kind: Any = Text, **options: Any) -> Callable[[], list[SchemaItem]]:
    """A column, and more items made anew for each table."""
    return lambda: [Column("word", kind() if isinstance(kind, type) else kind, **options), *(make() for make in items)]


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
    "comment": Case(PLAIN, word(comment="it's so")),
    "generated_dropped": Case(
        word(lambda: Column("size", Integer, Computed("length(word)", persisted=True))),
        word(lambda: Column("size", Integer)),
    ),
    "generated_added": Case(PLAIN, word(lambda: Column("size", Integer, Computed("length(word)", persisted=True)))),
    "identity": Case(
        word(kind=Integer, nullable=False, server_default="7"),
        lambda: [
            Column("word", Integer, nullable=False, server_default="7"),
            Column("n", Integer, Identity(always=True)),
        ],
    ),
    "identity_changed": Case(
        lambda: [Column("n", Integer, Identity(always=True))], lambda: [Column("n", Integer, Identity(increment=5))]
    ),
    "identity_added": Case(
        lambda: [Column("n", Integer, nullable=False, server_default="7")], lambda: [Column("n", Integer, Identity())]
    ),
    "identity_dropped": Case(
        lambda: [Column("n", Integer, Identity())], lambda: [Column("n", Integer, nullable=False)]
    ),
    "enum_label": Case(
        word(kind=color("red", "blue"), server_default="red"),
        word(kind=color("pink", "red", "it's green", "blue"), server_default="pink"),
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
    "table_comment": Case(PLAIN, PLAIN, {"comment": "it's a table"}),
    "schema": Case(None, word(kind=color("a", name="law_inside"), server_default="a"), {"schema": "law"}),
    "schema_table": Case(
        word(lambda: CheckConstraint("n > 0", name="n"), lambda: Column("n", Integer), server_default="it's"),
        word(lambda: CheckConstraint("n > 1", name="n"), lambda: Column("n", Integer), server_default="it's not"),
        {"schema": "law_old"},
    ),
}


def declare(metadata: MetaData, name: str, items: Items, **options: Any) -> Table:
    key = [Column("id", Integer, primary_key=True)] if options.pop("key", True) else []
    kinds = items()
    for item in kinds:
        kind = getattr(item, "type", None)
        if isinstance(kind, Enum) and "schema" in options:
            kind.schema = options["schema"]
    return Table(f"law_{name}", metadata, *key, *kinds, **options)


class Law(NamedTuple):
    """The database's tables, and what changes them."""

    execute: Callable[..., None]
    model: Callable[[dict[str, Case]], None]


@pytest.fixture
def law(on_migrated: str) -> Iterator[Law]:
    """Make the tables of cases as they were, with a row in each, and declare them as they are to be."""
    known = set(Base.metadata.tables)

    def run(work: Callable[[Any], Any]) -> None:
        async def begin() -> None:
            async with migration_engine(make_settings(database_url=on_migrated).database).begin() as connection:
                await connection.run_sync(work)

        asyncio.run(begin())

    def execute(*statements: str) -> None:
        run(lambda connection: [connection.exec_driver_sql(statement) for statement in statements])

    def model(cases: dict[str, Case]) -> None:
        before = MetaData(naming_convention=Base.metadata.naming_convention)
        Table("users", before, Column("id", Uuid, primary_key=True))
        for name, case in cases.items():
            options = dict(case.options)
            if case.after:
                declare(Base.metadata, name, case.after, **options)
            options.pop("comment", None)
            if case.before:
                declare(before, name, case.before, **options)
        execute('CREATE SCHEMA "law_old"')
        run(before.create_all)
        execute(
            *(
                f"INSERT INTO {table.fullname} DEFAULT VALUES"
                for table in before.tables.values()
                if table.name != "users"
            )
        )

    yield Law(execute, model)
    for name in set(Base.metadata.tables) - known:
        Base.metadata.remove(Base.metadata.tables[name])


def test_check_sees_and_revision_makes_every_kind_of_difference(law: Law, project: Path, app_command: Run) -> None:
    law.model(CASES)

    seen = app_command("db", "check")

    assert seen.code == 1
    spoken = {"enum_label": "law_color", "enum_array": "law_many"}
    unseen = [name for name in CASES if spoken.get(name, f"law_{name}") not in seen.err]
    assert unseen == [], seen.err

    written = app_command(
        "db",
        "revision",
        "-m",
        "law",
        "--drop=law_table_dropped",
        "--drop=law_column_dropped.less",
        "--drop=law_enum_dropped.gone",
    )

    assert written.code == 0, written.err
    for command in (("upgrade",), ("check",), ("downgrade", "0001"), ("upgrade",), ("check",)):
        result = app_command("db", *command)
        assert result.code == 0, f"{command} {result.err}"
    assert "agree: nothing to write" in app_command("db", "revision", "-m", "again").out
    assert app_command("db", "sql", "0001:head").code == 0


@pytest.mark.parametrize(
    ("case", "sentence"),
    [
        (
            Case(PLAIN, word(lambda: Column("more", Text, nullable=False))),
            "law_it.more is new, may not be empty, and has no default for the rows that are there",
        ),
        (
            Case(
                word(lambda: Column("size", Integer)),
                word(lambda: Column("size", Integer, Computed("length(word)", persisted=True))),
            ),
            "law_it.size is generated differently",
        ),
        (Case(word(kind=Double), word(kind=Uuid)), "for which the server has no cast"),
    ],
)
def test_revision_refuses_what_fails_where_there_are_rows_and_names_the_way(
    case: Case, sentence: str, law: Law, project: Path, app_command: Run
) -> None:
    law.model({"it": case})

    for result in (app_command("db", "check"), app_command("db", "revision", "-m", "it")):
        assert result.code == 1
        assert sentence in result.err
    assert "nothing was written" in result.err
    assert [path.name for path in (project / "migrations" / "versions").glob("*.py")] == ["0001_initial.py"]


@pytest.mark.parametrize(
    ("case", "sentence"),
    [
        (
            Case(word(kind=color("red", "old")), word(kind=color("red"))),
            "labels of the enum type law_color that only the database has: old",
        ),
        (
            Case(word(kind=color("a", "b")), word(kind=color("b", "a"))),
            "the order of the labels of the enum type law_color",
        ),
        (Case(PLAIN, PLAIN, {"postgresql_with": {"fillfactor": 70}}), "options of tables"),
        (
            Case(
                word(lambda: CheckConstraint("word <> ''", name="c")),
                word(lambda: CheckConstraint("word <> ''", name="c", comment="why")),
            ),
            "comments of constraints",
        ),
    ],
)
def test_check_says_what_it_does_not_compare(case: Case, sentence: str, law: Law, app_command: Run) -> None:
    law.model({"it": case})
    law.execute('DROP SCHEMA "law_old"')

    result = app_command("db", "check")

    assert result.code == 0, result.err
    assert f"not compared: {sentence}" in result.out
