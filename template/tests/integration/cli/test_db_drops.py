"""`app db revision` drops nothing that its user has not said may go."""

import asyncio
from collections.abc import Callable, Iterator
from io import StringIO
from pathlib import Path

import pytest
import questionary
from prompt_toolkit.input import create_pipe_input
from prompt_toolkit.output import DummyOutput
from sqlalchemy import Column, Integer, Table, text

from app.core.database import Base, migration_engine
from tests.factories import make_settings
from tests.integration.cli.conftest import Result, Run

Revise = Callable[..., Result]
AGREE = "the models and the database agree"
DOWN, ENTER = "\x1b[B", "\r"


class Terminal(StringIO):
    """Standard input at which a person sits."""

    def isatty(self) -> bool:
        return True


@pytest.fixture
def model() -> Iterator[Table]:
    """A model that has lost a column."""
    table = Table("cli_notes", Base.metadata, Column("id", Integer, primary_key=True))
    yield table
    Base.metadata.remove(table)


@pytest.fixture
def execute(on_migrated: str) -> Callable[..., None]:
    """Change the database as a migration of former times did."""

    def execute(*statements: str) -> None:
        async def run() -> None:
            async with migration_engine(make_settings(database_url=on_migrated).database).begin() as connection:
                for statement in statements:
                    await connection.execute(text(statement))

        asyncio.run(run())

    return execute


@pytest.fixture
def service(execute: Callable[..., None], model: Table) -> None:
    """Make what a service leaves behind that was turned off: two tables, and a column that may not be empty."""
    execute(
        "CREATE TABLE cli_orders (id serial PRIMARY KEY)",
        "CREATE TABLE cli_lines (id int PRIMARY KEY, order_id int NOT NULL REFERENCES cli_orders)",
        "CREATE INDEX ON cli_lines (order_id)",
        "INSERT INTO cli_orders VALUES (1), (2)",
        "INSERT INTO cli_lines VALUES (1, 2)",
        "CREATE TABLE cli_notes (id serial PRIMARY KEY, word text NOT NULL)",
        "INSERT INTO cli_notes VALUES (1, 'chair')",
    )


@pytest.fixture
def revise(app_command: Run) -> Revise:
    return lambda *arguments: app_command("db", "revision", "-m", "off", *arguments)


def flags(drop: str = "", keep: str = "") -> list[str]:
    return [*(f"--drop={name}" for name in drop.split()), *(f"--keep={name}" for name in keep.split())]


def written(project: Path) -> list[Path]:
    return [path for path in (project / "migrations" / "versions").glob("*.py") if not path.name.startswith("0001")]


def kept(project: Path) -> list[str] | None:
    path = project / "migrations" / "kept.txt"
    return [line for line in path.read_text().splitlines() if not line.startswith("#")] if path.exists() else None


ALL = "cli_orders cli_lines cli_notes.word"


def test_revision_without_a_terminal_lists_everything_and_writes_nothing(
    service: None, project: Path, revise: Revise
) -> None:
    result = revise()

    assert result.code == 1
    assert "cli_lines (1 row), cli_orders (2 rows), cli_notes.word (1 value)" in result.err
    assert "nothing was written" in result.err
    assert "next: Repeat this with --drop NAME or --keep NAME for each" in result.err
    assert (written(project), kept(project)) == ([], None)

    partly = revise(*flags(drop="cli_lines", keep="cli_notes.word"))

    assert partly.code == 1
    assert "No model has cli_orders (2 rows) any more" in partly.err
    assert (written(project), kept(project)) == ([], None)


def test_revision_drops_what_may_go_in_an_order_that_the_server_accepts(
    service: None, project: Path, revise: Revise, app_command: Run
) -> None:
    result = revise(*flags(drop=ALL))

    assert result.code == 0, result.err
    assert "cli_orders (2 rows) goes when this migration is applied" in result.out
    (path,) = written(project)
    assert path.read_text().index('drop_table("cli_lines")') < path.read_text().index('drop_table("cli_orders")')
    assert kept(project) is None
    assert app_command("db", "upgrade").code == 0
    assert app_command("db", "check").code == 0
    assert app_command("db", "downgrade", "0001").err.count("Traceback") == 0


def test_revision_leaves_what_is_kept_alone_from_then_on(
    service: None, project: Path, revise: Revise, app_command: Run, execute: Callable[..., None]
) -> None:
    result = revise(*flags(keep=ALL))

    assert result.code == 0, result.err
    assert kept(project) == sorted(ALL.split())
    assert "cli_orders stays: listed in migrations/kept.txt, which belongs in git" in result.out
    # The column alone needs a migration: without one, no row could be added any more.
    (path,) = written(project)
    assert "drop" not in path.read_text()
    assert app_command("db", "upgrade").code == 0
    execute("INSERT INTO cli_notes (id) VALUES (2)")
    assert app_command("db", "check")[:2] == (0, f"{AGREE}\n")
    assert revise()[:2] == (0, f"{AGREE}, but for what is kept: nothing to write\n")
    # Said again, it is no mistake.
    assert revise(*flags(keep=ALL)).code == 0
    assert len(written(project)) == 1


def test_revision_drops_later_what_was_kept(service: None, project: Path, revise: Revise, app_command: Run) -> None:
    revise(*flags(keep=ALL))
    app_command("db", "upgrade")

    result = revise(*flags(drop="cli_lines cli_orders"))

    assert result.code == 0, result.err
    assert kept(project) == ["cli_notes.word"]
    assert len(written(project)) == 2
    assert app_command("db", "upgrade").code == 0
    assert app_command("db", "check").code == 0


def test_revision_compares_a_table_that_comes_back_and_does_not_make_it_twice(
    service: None, project: Path, revise: Revise, app_command: Run
) -> None:
    revise(*flags(keep="cli_orders cli_lines", drop="cli_notes.word"))
    app_command("db", "upgrade")
    table = Table("cli_orders", Base.metadata, Column("id", Integer, primary_key=True), Column("sum", Integer))
    try:
        assert "sum" in app_command("db", "check").err

        result = revise()

        assert result.code == 0, result.err
        assert "cli_orders is in the models again: taken off the list of what is kept" in result.out
        assert kept(project) == ["cli_lines"]
        assert all("create_table" not in path.read_text().partition("def downgrade")[0] for path in written(project))
        assert app_command("db", "upgrade").code == 0
        assert app_command("db", "check").code == 0
    finally:
        Base.metadata.remove(table)


def test_revision_removes_the_list_with_its_last_name(
    service: None, project: Path, revise: Revise, app_command: Run
) -> None:
    revise(*flags(keep="cli_orders cli_lines", drop="cli_notes.word"))
    app_command("db", "upgrade")

    assert revise(*flags(drop="cli_orders cli_lines")).code == 0
    assert kept(project) is None


@pytest.mark.parametrize(
    "case",
    [
        (flags(drop="cli_order"), "No migration would drop cli_order:", "Decide about cli_lines (1 row), "),
        (flags(keep="users"), "No migration would drop users:", "Decide about"),
        (flags(drop=ALL, keep="cli_lines"), "cli_lines cannot be dropped and kept.", "Choose one"),
        (
            flags(drop="cli_orders cli_notes.word", keep="cli_lines"),
            "cli_lines stays and refers to cli_orders, which cannot go without it",
            "Keep both, or drop both",
        ),
    ],
)
def test_revision_refuses_names_that_make_no_sense(
    case: tuple[list[str], str, str], service: None, project: Path, revise: Revise
) -> None:
    arguments, sentence, step = case
    result = revise(*arguments)

    assert result.code == 1
    assert sentence in result.err
    assert f"next: {step}" in result.err
    assert (written(project), kept(project)) == ([], None)


def test_revision_refuses_a_name_where_nothing_goes(on_migrated: str, revise: Revise) -> None:
    result = revise("--drop=users")

    assert result.code == 1
    assert "next: Leave --drop and --keep out." in result.err


def test_revision_and_check_name_a_list_that_cannot_be_read(on_migrated: str, project: Path, app_command: Run) -> None:
    (project / "migrations" / "kept.txt").write_bytes(b"\xff")

    for command in (("revision", "-m", "x"), ("check",)):
        result = app_command("db", *command)
        assert result.code == 1
        assert "kept.txt cannot be read." in result.err


def answering(keys: str, monkeypatch: pytest.MonkeyPatch, run: Callable[[], Result]) -> Result:
    """Run a command on a terminal at which a person presses these keys."""
    monkeypatch.setattr("sys.stdin", Terminal())
    select = questionary.select
    with create_pipe_input() as pipe:
        pipe.send_text(keys)
        monkeypatch.setattr(
            questionary, "select", lambda *given, **more: select(*given, **more, input=pipe, output=DummyOutput())
        )
        return run()


def test_revision_on_a_terminal_asks_for_each(
    service: None, project: Path, revise: Revise, monkeypatch: pytest.MonkeyPatch
) -> None:
    keys = DOWN + ENTER + DOWN + ENTER + ENTER

    result = answering(keys, monkeypatch, revise)

    assert result.code == 0, result.err
    assert "cli_lines (1 row) goes" in result.out
    assert "cli_orders (2 rows) goes" in result.out
    assert kept(project) == ["cli_notes.word"]


def test_revision_keeps_at_enter(service: None, project: Path, revise: Revise, monkeypatch: pytest.MonkeyPatch) -> None:
    result = answering(ENTER * 3, monkeypatch, revise)

    assert result.code == 0, result.err
    assert kept(project) == sorted(ALL.split())


def test_revision_that_is_interrupted_writes_nothing(
    service: None, project: Path, revise: Revise, monkeypatch: pytest.MonkeyPatch
) -> None:
    result = answering(DOWN + ENTER + "\x03", monkeypatch, revise)

    assert result.code == 1
    assert "nothing was written" in result.err
    assert (written(project), kept(project)) == ([], None)
