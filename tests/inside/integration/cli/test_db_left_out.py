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
        "CREATE TYPE law_color AS ENUM ('red', 'old')",
        "CREATE TYPE law_order AS ENUM ('b', 'a')",
        "CREATE TABLE law (id serial CONSTRAINT pk_law PRIMARY KEY, color law_color, sort law_order)",
        "CREATE TABLE law_broken (id serial CONSTRAINT pk_law_broken PRIMARY KEY)",
    )
    declare(
        "law",
        Column("color", Enum("red", name="law_color")),
        Column("sort", Enum("a", "b", name="law_order")),
        CheckConstraint("color = 'red'", name="c", comment="why"),
        postgresql_with={"fillfactor": 70},
    )
    declare("law_broken", CheckConstraint("nothing > 1", name="c"))
    execute("ALTER TABLE law ADD CONSTRAINT ck_law_c CHECK (color = 'red')")

    result = app_command("db", "check")

    assert result.code == 0, result.err
    for note in (
        "labels of the enum type law_color that only the database has: old",
        "the order of the labels of the enum type law_order",
        'the table law_broken (column "nothing" does not exist)',
        "comments of constraints",
        "options of tables",
    ):
        assert f"not compared: {note}" in result.out
