"""`app db check` and `app db revision` on models that differ: what is written, kept, left or not compared."""

from pathlib import Path

import pytest
from sqlalchemy import (
    CheckConstraint,
    Column,
    Computed,
    Enum,
    ForeignKey,
    Index,
    Integer,
    String,
    Text,
    Uuid,
)

from tests.integration.cli import test_db_revisions as revisions
from tests.integration.cli.conftest import Run
from tests.integration.cli.test_db_revisions import Declare, Execute, written

declare, execute = revisions.declare, revisions.execute
AGREE = "the models and the database agree"


def test_check_sees_and_revision_makes_what_a_model_declares(
    on_migrated: str, head: str, declare: Declare, execute: Execute, app_command: Run
) -> None:
    execute(
        "CREATE TYPE law_color AS ENUM ('red')",
        "CREATE TABLE law (id serial CONSTRAINT pk_law PRIMARY KEY, size text DEFAULT '7', color law_color, "
        "word text, more varchar(9), owner_id uuid, CONSTRAINT ck_law_word CHECK (word IN ('a')))",
        "CREATE INDEX ix_law_word ON law (lower(word))",
        "INSERT INTO law (word) VALUES ('a')",
    )
    declare(
        "law",
        Column("size", Integer, nullable=False, server_default="8"),
        Column("color", Enum("red", "it's green", name="law_color")),
        Column("word", String(20), server_default="it's :one"),
        Column("more", Enum("x", name="law_more")),
        Column("owner_id", Uuid, ForeignKey("users.id", ondelete="CASCADE")),
        Column("added", Text, nullable=False, server_default="it's"),
        CheckConstraint("word IN ('a', 'b')", name="word"),
        Index("ix_law_word", "word", unique=True),
    )
    more = Enum("x", name="law_more")
    declare("law_rows", Column("law_id", ForeignKey("law.id"), index=True), Column("more", more), schema="law")

    seen = app_command("db", "check")

    assert seen.code == 1
    spoken = (
        "size",
        "green",
        "word",
        "more",
        "owner_id",
        "added",
        "ck_law_word",
        "law_rows",
    )
    assert [each for each in (*spoken, "ix_law_word", "law_more") if each not in seen.err] == []
    result = app_command("db", "revision", "-m", "law")
    assert result.code == 0, result.err
    for command in (("upgrade",), ("check",), ("downgrade", head), ("upgrade",), ("check",)):
        result = app_command("db", *command)
        assert result.code == 0, f"{command} {result.err}"
    assert app_command("db", "revision", "-m", "again").out == f"{AGREE}: nothing to write\n"


@pytest.fixture
def service(execute: Execute, declare: Declare) -> None:
    """Make what a service leaves behind that was turned off: tables, and a column that may not be empty."""
    execute(
        "CREATE TABLE cli_orders (id serial PRIMARY KEY)",
        "CREATE TABLE cli_lines (id int PRIMARY KEY, order_id int REFERENCES cli_orders)",
        "CREATE INDEX ON cli_lines (order_id)",
        "INSERT INTO cli_lines VALUES (1, NULL)",
        "CREATE TABLE cli_notes (id serial CONSTRAINT pk_cli_notes PRIMARY KEY, word text NOT NULL)",
        "CREATE INDEX ON cli_notes (word)",
        "INSERT INTO cli_notes VALUES (1, 'chair')",
    )
    declare("cli_notes")


ALL = ["cli_lines", "cli_orders", "cli_notes.word"]


@pytest.mark.parametrize(
    ("drop", "sentence"),
    [
        ([], "No model has cli_notes.word, cli_lines, cli_orders any more"),
        (ALL[1:], "No model has cli_lines any more"),
    ],
)
def test_revision_drops_nothing_unasked(
    drop: list[str], sentence: str, service: None, project: Path, app_command: Run
) -> None:
    result = app_command("db", "revision", "-m", "off", *(f"--drop={name}" for name in drop))

    assert result.code == 1
    assert sentence in result.err
    assert written(project) == []


def test_revision_drops_what_may_go_in_an_order_that_the_server_accepts(
    service: None, project: Path, app_command: Run
) -> None:
    result = app_command("db", "revision", "-m", "off", *(f"--drop={name}" for name in ALL))

    assert result.code == 0, result.err
    for command in (("upgrade",), ("check",)):
        assert app_command("db", *command).code == 0


def test_revision_and_check_leave_alone_what_the_list_of_what_is_kept_names(
    service: None, project: Path, app_command: Run, execute: Execute
) -> None:
    (project / "migrations" / "kept.txt").write_text("\n".join(["# Of a service that was turned off", *ALL]))

    result = app_command("db", "revision", "-m", "off")

    assert result.code == 0, result.err
    # The column alone needs a migration: without one, no row could be added any more.
    (path,) = written(project)
    assert "drop" not in path.read_text()
    assert app_command("db", "upgrade").code == 0
    execute("INSERT INTO cli_notes (id) VALUES (2)")
    assert app_command("db", "check")[:2] == (0, f"{AGREE}\n")


def test_check_and_revision_name_what_is_left_to_be_written_by_hand(
    on_migrated: str, project: Path, declare: Declare, execute: Execute, app_command: Run
) -> None:
    execute("CREATE TABLE law (id serial CONSTRAINT pk_law PRIMARY KEY, word text, size int)")
    declare("law", Column("word", Text), Column("size", Integer, Computed("length(word)", persisted=True)))

    seen, result = app_command("db", "check"), app_command("db", "revision", "-m", "law")

    assert (seen.code, result.code) == (1, 0)
    (path,) = written(project)
    sentence = "law.size is generated or numbered differently"
    assert sentence in seen.err
    assert f"mind: {sentence}" in result.err
    assert f"# By hand: {sentence}" in path.read_text()


def test_check_says_what_it_does_not_compare(
    on_migrated: str, declare: Declare, execute: Execute, app_command: Run
) -> None:
    execute(
        "CREATE TYPE law_color AS ENUM ('red', 'old', 'blue')",
        "CREATE TABLE law (id serial CONSTRAINT pk_law PRIMARY KEY, color law_color)",
        "COMMENT ON TABLE law IS 'before'",
    )
    declare(
        "law",
        Column("color", Enum("blue", "red", name="law_color"), comment="why"),
        comment="why",
        postgresql_with={"fillfactor": 70},
    )

    result = app_command("db", "check")

    assert result.code == 0, result.err
    assert "not compared: comments, options of tables and sequences, and an enum type's order" in result.err


def test_check_names_what_the_server_does_not_make(on_migrated: str, declare: Declare, app_command: Run) -> None:
    declare("law", CheckConstraint("nothing > 1", name="c"))

    result = app_command("db", "check")

    assert result.code == 1
    assert 'does not make the models\' tables: column "nothing" does not exist.' in result.err
