"""`app db check` and `app db revision` on differences that are left to a person, or that nothing compares."""

from pathlib import Path

from sqlalchemy import CheckConstraint, Column, Computed, Enum, Integer, Text

from tests.integration.cli import test_db_revisions as revisions
from tests.integration.cli.conftest import Run
from tests.integration.cli.test_db_revisions import Declare, Execute, written

declare, execute = revisions.declare, revisions.execute


def test_check_and_revision_name_what_is_left_to_be_written_by_hand(
    on_migrated: str, project: Path, declare: Declare, execute: Execute, app_command: Run
) -> None:
    execute("CREATE TABLE law (id serial CONSTRAINT pk_law PRIMARY KEY, word text, size int)")
    declare(
        "law",
        Column("word", Text, nullable=False),
        Column("size", Integer, Computed("length(word)", persisted=True)),
        Column("more", Text, nullable=False),
    )

    seen, result = app_command("db", "check"), app_command("db", "revision", "-m", "law")

    assert (seen.code, result.code) == (1, 0)
    (path,) = written(project)
    for sentence in (
        "law.word may not be empty from now on: fill it first",
        "law.size is generated or numbered differently",
        "law.more is new, may not be empty, and has no default",
    ):
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
