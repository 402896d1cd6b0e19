"""`app db check` and `app db revision` over every kind of difference that a model can declare."""

import asyncio
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from sqlalchemy import (
    CheckConstraint,
    Column,
    Computed,
    Double,
    Integer,
    MetaData,
    Table,
    Text,
    Uuid,
)

from app.core.database import Base, migration_engine
from tests.factories import make_settings
from tests.integration.cli.conftest import Run
from tests.integration.cli.differences import CASES, PLAIN, Case, color, declare, word

pytestmark = pytest.mark.process


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
