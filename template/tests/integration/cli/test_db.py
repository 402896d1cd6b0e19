"""`app db`: migrations applied, taken back, written and compared."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Column, Integer, Table, Text

from app.core.database import Base
from tests.integration.cli.conftest import Run

HEAD = "0001"


@pytest.fixture
def new_model() -> Iterator[str]:
    """A model that no migration knows."""
    table = Table("cli_notes", Base.metadata, Column("id", Integer, primary_key=True), Column("word", Text, index=True))
    yield table.name
    Base.metadata.remove(table)


def written(project: Path) -> list[Path]:
    return [path for path in (project / "migrations" / "versions").glob("*.py") if not path.name.startswith(HEAD)]


def test_migrations_are_applied_once_and_can_be_taken_back(on_empty: str, app_command: Run) -> None:
    assert app_command("db", "current") == (0, f"empty (newest: {HEAD})\n", "")
    assert app_command("db", "upgrade")[:2] == (0, f"empty → {HEAD}\n")
    assert app_command("db", "upgrade")[:2] == (0, f"{HEAD}: nothing to do\n")
    assert app_command("db", "current") == (0, f"{HEAD}\n", "")
    assert app_command("db", "check")[:2] == (0, "the models and the database agree\n")
    assert app_command("db", "downgrade", "-1")[:2] == (0, "empty\n")
    assert app_command("db", "upgrade", "+1")[:2] == (0, f"empty → {HEAD}\n")
    assert app_command("db", "downgrade", "base")[:2] == (0, "empty\n")


def test_pending_migrations_fail_the_check(on_empty: str, app_command: Run) -> None:
    result = app_command("db", "check")

    assert result.code == 1
    assert "The database is at revision (none), the application needs 0001." in result.err
    assert "app db upgrade" in result.err


@pytest.mark.parametrize("command", [("upgrade", "nonsense"), ("downgrade", "nonsense"), ("downgrade", "-9")])
def test_an_unknown_revision_is_a_sentence(command: tuple[str, str], on_migrated: str, app_command: Run) -> None:
    result = app_command("db", *command)

    assert result.code == 1
    assert result.err.startswith("error: Alembic: ")
    assert "next: " in result.err
    assert "Traceback" not in result.err


def test_without_changes_no_migration_is_written(project: Path, on_empty: str, app_command: Run) -> None:
    result = app_command("db", "revision", "-m", "nothing")

    assert (result.code, result.out) == (0, "the models and the database agree: nothing to write\n")
    assert written(project) == []
    assert app_command("db", "current").out == f"{HEAD}\n"


def test_a_change_of_the_models_becomes_a_clean_migration(
    project: Path, new_model: str, on_migrated: str, app_command: Run
) -> None:
    unchecked = app_command("db", "check")
    assert unchecked.code == 1
    assert new_model in unchecked.err
    assert "app db revision" in unchecked.err

    result = app_command("db", "revision", "--message", 'Add "notes" \\ ../and """more"""')

    assert result.code == 0, result.err
    (path,) = written(project)
    assert result.out.endswith(f"wrote {path}\n")
    for check in (["check"], ["format", "--check"]):
        linted = subprocess.run(
            [sys.executable, "-m", "ruff", *check, "--no-cache", path], capture_output=True, text=True, check=False
        )
        assert linted.returncode == 0, linted.stdout
    assert app_command("db", "check").code == 1
    assert app_command("db", "upgrade").out.startswith(f"{HEAD} → ")
    assert app_command("db", "check").code == 0
    assert app_command("db", "downgrade", HEAD).code == 0
    assert new_model in app_command("db", "revision", "-m", "again").err or len(written(project)) == 1


def test_a_revision_wants_a_message(on_migrated: str, app_command: Run) -> None:
    assert app_command("db", "revision").code == 2


@pytest.mark.parametrize("command", ["upgrade", "current", "check"])
def test_elsewhere_there_is_nothing_to_migrate(command: str, project: Path, on_migrated: str, app_command: Run) -> None:
    (project / "alembic.ini").unlink()

    result = app_command("db", command)

    assert result.code == 1
    assert "There are no migrations here." in result.err
    assert "inside the project's folder" in result.err
