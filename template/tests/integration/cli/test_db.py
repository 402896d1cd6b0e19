"""`app db`: migrations applied, taken back, joined and printed."""

from pathlib import Path

import pytest

from tests.integration.cli.conftest import Run


def test_upgrade_applies_once_and_downgrade_takes_back(
    on_empty: str, project: Path, head: str, app_command: Run
) -> None:
    assert app_command("db", "current") == (0, f"(none) (newest: {head})\n", "")
    assert app_command("db", "upgrade")[:2] == (0, f"(none) → {head}\n")
    assert app_command("db", "upgrade")[:2] == (0, f"{head}: nothing to do\n")
    assert app_command("db", "current") == (0, f"{head}\n", "")
    assert app_command("db", "check")[:2] == (0, "the models and the database agree\n")
    branch(project, "a", after=head)
    assert app_command("db", "upgrade", "+1")[:2] == (0, f"{head} → a\n")
    assert app_command("db", "downgrade", "-1")[:2] == (0, f"{head}\n")
    assert app_command("db", "downgrade", "base")[:2] == (0, "(none)\n")


@pytest.mark.parametrize("command", [("upgrade", "nonsense"), ("downgrade", "nonsense"), ("downgrade", "-9")])
def test_upgrade_and_downgrade_name_an_unknown_revision(
    command: tuple[str, str], on_migrated: str, app_command: Run
) -> None:
    result = app_command("db", *command)

    assert result.code == 1
    assert result.err.startswith("error: Alembic: ")
    assert "next: " in result.err
    assert "Traceback" not in result.err


def test_revision_leaves_a_configured_database_that_is_behind_alone(
    project: Path, on_empty: str, head: str, app_command: Run
) -> None:
    for command in (("revision", "-m", "nothing"), ("check",)):
        result = app_command("db", *command)
        assert result.code == 1
        assert f"The database is at revision (none), the application needs {head}." in result.err
        assert "app db upgrade" in result.err
    assert app_command("db", "current").out == f"(none) (newest: {head})\n"


def branch(project: Path, name: str, body: str = "pass", *, after: str) -> None:
    (project / "migrations" / "versions" / f"{name}.py").write_text(
        f'from alembic import op\n\nrevision = "{name}"\ndown_revision = "{after}"\n\n\n'
        f"def upgrade():\n    {body}\n\n\ndef downgrade():\n    pass\n"
    )


def test_merge_joins_two_branches_whose_next_step_it_is(
    project: Path, on_migrated: str, head: str, app_command: Run
) -> None:
    branch(project, "a", after=head)
    branch(project, "b", after=head)
    for command in (("upgrade",), ("check",), ("revision", "-m", "x")):
        result = app_command("db", *command)
        assert result.code == 1
        assert "app db merge" in result.err

    merged = app_command("db", "merge")

    assert merged.code == 0, merged.err
    assert "wrote " in merged.out
    assert app_command("db", "upgrade").code == 0
    assert app_command("db", "check").code == 0
    assert app_command("db", "merge").out == "one migration is the newest: nothing to join\n"


def test_sql_prints_what_is_pending_and_what_lies_between_two_revisions(
    project: Path, on_migrated: str, head: str, app_command: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert app_command("db", "sql") == (0, "", "nothing is pending\n")
    branch(project, "a", 'op.execute("CREATE TABLE a ()")', after=head)

    pending = app_command("db", "sql")

    assert pending.code == 0, pending.err
    assert "CREATE TABLE a ();" in pending.out
    assert "CREATE TABLE users" not in pending.out
    assert app_command("db", "current").out == f"{head} (newest: a)\n"
    # Between two revisions, no database is asked.
    monkeypatch.setenv("DATABASE_URL", "postgresql://127.0.0.1:1/nowhere")
    whole = app_command("db", "sql", "base:head")
    assert whole.code == 0, whole.err
    assert "CREATE TABLE users" in whole.out
    assert "CREATE TABLE a ();" in whole.out
    unreachable = app_command("db", "sql")
    assert unreachable.code == 1
    assert "The database cannot be reached" in unreachable.err
