"""`app db check` and `app db revision` over every kind of difference that a model can declare, one by one."""

import asyncio
from collections.abc import Callable, Iterator
from copy import copy
from typing import Any, NamedTuple

import pytest
from sqlalchemy import Column, Computed, Identity, Integer, MetaData, Table, Uuid

from app.core.database import Base, migration_engine
from tests.factories import make_settings
from tests.integration.cli.conftest import Run
from tests.integration.cli.differences import CASES, Case, Parts, declare
from tests.integration.cli.test_db_revisions import models_of_a_test

pytestmark = pytest.mark.process


def size(*parts: Any, **options: Any) -> Parts:
    """Return a column of numbers."""
    return lambda: [Column("size", Integer, *(copy(part) for part in parts), **options)]


class Law(NamedTuple):
    """The database's tables, and what changes them."""

    execute: Callable[..., None]
    model: Callable[[dict[str, Case]], None]


@pytest.fixture
def law(on_migrated: str) -> Iterator[Law]:
    """Make the tables of cases as they were, with a row in each, and declare them as they are to be."""

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

    with models_of_a_test():
        yield Law(execute, model)


def test_check_sees_and_revision_makes_every_kind_of_difference(law: Law, head: str, app_command: Run) -> None:
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
    for command in (("upgrade",), ("check",), ("downgrade", head), ("upgrade",), ("check",)):
        result = app_command("db", *command)
        assert result.code == 0, f"{command} {result.err}"
    assert "agree: nothing to write" in app_command("db", "revision", "-m", "again").out
    assert app_command("db", "sql", f"{head}:head").code == 0


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (size(), size(Computed("2 * id", persisted=True))),
        (size(Computed("2 * id", persisted=True)), size()),
        (size(Identity(always=True)), size(Identity(increment=5))),
        (size(nullable=False, server_default="7"), size(Identity())),
        (size(Identity()), size(nullable=False)),
    ],
)
def test_check_and_revision_leave_what_is_generated_otherwise_to_be_written_by_hand(
    before: Parts, after: Parts, law: Law, app_command: Run
) -> None:
    law.model({"it": Case(before, after)})

    seen, written = app_command("db", "check"), app_command("db", "revision", "-m", "it")

    assert (seen.code, written.code) == (1, 0), written.err
    for said in (seen.err, written.err):
        assert "law_it.size is generated or numbered differently" in said
