"""`app db check` and `app db revision`: differences are seen, written and applied, and nothing is dropped unasked."""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import pytest
from sqlalchemy import Column, Enum, ForeignKey, Index, Integer, MetaData, Table, Text, Uuid, event

from app.core.database import Base, migration_engine
from tests.factories import make_settings
from tests.integration.cli.conftest import PROJECT, Run

Execute = Callable[..., None]
Declare = Callable[..., Table]


@pytest.fixture
def execute(on_migrated: str) -> Execute:
    """Change the database as a migration of former times did."""

    def execute(*statements: str) -> None:
        async def run() -> None:
            async with migration_engine(make_settings(database_url=on_migrated).database).begin() as connection:
                for statement in statements:
                    await connection.exec_driver_sql(statement)

        asyncio.run(run())

    return execute


@contextmanager
def models_of_a_test() -> Iterator[MetaData]:
    """Give the models' metadata, and take from it what was added."""
    metadata = Base.metadata
    tables, listeners = set(metadata.tables), list(metadata.dispatch.before_create)
    yield metadata
    for name in set(metadata.tables) - tables:
        metadata.remove(metadata.tables[name])
    # Those that make enum types stay when the table goes.
    for listener in [each for each in metadata.dispatch.before_create if each not in listeners]:
        event.remove(metadata, "before_create", listener)


@pytest.fixture
def declare() -> Iterator[Declare]:
    """Declare models for the test."""
    with models_of_a_test() as metadata:
        key = partial(Column, "id", Integer, primary_key=True)
        yield lambda name, *parts, **options: Table(name, metadata, key(), *parts, **options)


def written(project: Path) -> list[Path]:
    """Return the migrations that the test has added to the project's."""
    known = {path.name for path in (PROJECT / "migrations" / "versions").glob("*.py")}
    return [path for path in (project / "migrations" / "versions").glob("*.py") if path.name not in known]


def test_revision_writes_what_models_declare_and_drops_nothing_unasked(
    project: Path, head: str, declare: Declare, execute: Execute, app_command: Run
) -> None:
    execute("CREATE TABLE gone (id serial CONSTRAINT pk_gone PRIMARY KEY)")
    execute("CREATE TABLE law (id serial CONSTRAINT pk_law PRIMARY KEY, size text DEFAULT '7')")
    declare(
        "law",
        Column("size", Integer, nullable=False, server_default="8"),
        Column("owner_id", Uuid, ForeignKey("users.id")),
        Index("ix_law_size", "size", unique=True),
    )
    declare("law_rows", Column("color", Enum("red", "it's green", name="law_color")), Column("word", Text, index=True))

    seen, refused = app_command("db", "check"), app_command("db", "revision", "-m", "law")

    assert (seen.code, refused.code) == (1, 1)
    assert [each for each in ("size", "owner_id", "ix_law_size", "law_rows", "law_color") if each not in seen.err] == []
    assert "No model has gone any more: nothing was written." in refused.err
    assert written(project) == []
    assert app_command("db", "revision", "-m", "law", "--drop=gone").code == 0
    for command in (("upgrade",), ("check",), ("downgrade", head), ("upgrade",), ("check",)):
        result = app_command("db", *command)
        assert result.code == 0, f"{command} {result.err}"
    assert app_command("db", "revision", "-m", "again").out == "the models and the database agree: nothing to write\n"
