"""The files that `app db revision` writes: they pass the linters, and bring the rows of an old project along."""

import io
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Column, Integer, Table, Text

from app.core.database import Base
from tests.databases import execute
from tests.integration.cli.conftest import Run
from tests.integration.cli.test_db_revisions import written


@pytest.fixture
def new_model() -> Iterator[str]:
    """A model that no migration knows."""
    table = Table("cli_notes", Base.metadata, Column("id", Integer, primary_key=True), Column("word", Text, index=True))
    yield table.name
    Base.metadata.remove(table)


def test_revision_writes_a_file_that_passes_the_linters(
    project: Path, new_model: str, on_migrated: str, head: str, app_command: Run
) -> None:
    result = app_command("db", "revision", "--message", 'Add "notes" \\ ../and """more"""')

    assert result.code == 0, result.err
    (path,) = written(project)
    assert result.out.endswith(f"wrote {path}\n")
    for check in (["check"], ["format", "--check"]):
        linted = subprocess.run(
            [sys.executable, "-m", "ruff", *check, "--no-cache", path], capture_output=True, text=True, check=False
        )
        assert linted.returncode == 0, linted.stdout
    assert app_command("db", "upgrade").out.startswith(f"{head} → ")
    assert app_command("db", "downgrade", head).code == 0
    assert app_command("db", "upgrade").code == 0
    assert app_command("db", "check").code == 0


def test_revision_gives_the_users_of_a_database_without_roles_the_ordinary_one(
    on_migrated: str, app_command: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("Planted words, fifteen or more"))
    assert app_command("users", "create", "--email", "ada@example.com", "--password-stdin").code == 0
    execute(on_migrated, "ALTER TABLE users DROP COLUMN role")  # as 0.1.1 made it

    assert app_command("db", "revision", "-m", "roles").code == 0
    assert app_command("db", "upgrade").code == 0
    assert app_command("db", "check").code == 0
    assert [row["role"] for row in execute(on_migrated, "SELECT role FROM users")] == ["user"]
