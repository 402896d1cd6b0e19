"""Every command says what is wrong as the system told it, and a next step; no traceback, no log line, no value."""

import io
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy.engine import make_url
from typer.core import TyperGroup

from app.cli.commands import COMMANDS, load_command
from tests.environments import production
from tests.integration.cli.conftest import Result, Run
from tests.integration.core.listeners import closed_port

# What commands cannot do without.
ARGUMENTS: dict[str, tuple[str, ...]] = {
    "db downgrade": ("-1",),
    "db revision": ("-m", "x"),
    "db merge": ("-m", "x"),
    "secrets set": ("openai", "--org", "7"),
    "secrets delete": ("openai", "--org", "7"),
    "jobs cancel": ("7",),
    "jobs retry": ("7",),
    "jobs show": ("7",),
    "users create": ("--email", "ada@example.com", "--password-stdin"),
    "users disable": ("ada@example.com",),
    "users enable": ("ada@example.com",),
    "users grant": ("ada@example.com", "--scope", "users:read"),
    "users revoke": ("ada@example.com", "--scope", "users:read"),
    "users set-password": ("ada@example.com", "--password-stdin"),
}
# They work without settings, or join nothing where there is one branch; `update` is tested where it is at home.
WITHOUT_SETTINGS = {"db merge", "secrets keygen", "update"}
LOG_LINE = re.compile(r"^(\d{4}-\d\d-\d\d|\{\")", re.MULTILINE)


def names() -> Iterator[str]:
    """Yield every command of the application, groups spelt out."""
    for name in COMMANDS:
        command = load_command(name)
        if isinstance(command, TyperGroup):
            yield from (f"{name} {each}" for each in command.commands)
        else:
            yield name


WITH_SETTINGS = sorted(set(names()) - WITHOUT_SETTINGS)


@pytest.fixture
def refused(app_command: Run, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run a command that must fail as it should."""
    with closed_port() as free:
        monkeypatch.setenv("API_PORT", str(free))

    def command(name: str) -> Result:
        monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(b"planted words, fifteen or more\n")))
        result = app_command(*name.split(), *ARGUMENTS.get(name, ()))
        said = result.out + result.err
        assert result.code == 1, said
        assert "planted" not in said
        assert "[redacted]" not in said
        assert "Traceback" not in said
        assert not LOG_LINE.search(said), said
        first, then = ("failed  \\w+: ", "        next: ") if name == "doctor" else ("error: ", "next: ")
        assert re.search(f"^{first}.+", said, re.MULTILINE), said
        assert re.search(f"^{then}.+", said, re.MULTILINE), said
        return result

    return command


def test_app_without_a_command_lists_all(app_command: Run) -> None:
    result = app_command()

    assert result.code == 2
    assert [name for name in COMMANDS if name not in result.out] == []


@pytest.mark.parametrize(
    "arguments",
    ["nonsense", "db nonsense", "db upgrade --nonsense", "serve --port 0", "serve --workers x", "secrets set"],
)
def test_app_answers_a_wrong_command_line_with_the_way_to_the_help(arguments: str, app_command: Run) -> None:
    result = app_command(*arguments.split())

    assert result.code == 2
    assert "--help' for help." in result.err


@pytest.mark.parametrize("name", WITH_SETTINGS)
def test_app_names_wrong_settings(name: str, refused: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    production(monkeypatch, SECRET_KEY="planted", DATABASE_URL="postgresql://u:planted@s/s@h/db")

    said = "".join(map(str, refused(name)[1:]))

    assert "SECRET_KEY must have 32 characters or more" in said
    assert "DATABASE_URL must look like postgresql://" in said


@pytest.mark.parametrize("name", WITH_SETTINGS)
def test_app_names_why_the_database_cannot_be_reached(
    name: str, on_migrated: str, refused: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    with closed_port() as port:
        monkeypatch.setenv("DATABASE_URL", f"postgresql://u:planted@127.0.0.1:{port}/app")
        assert "cannot be reached: Connection refused." in "".join(map(str, refused(name)[1:]))

    url = make_url(on_migrated).set(username="stranger", password="planted")
    monkeypatch.setenv("DATABASE_URL", url.render_as_string(hide_password=False))
    # By how a server authenticates: the user is not there, or the password is wrong.
    assert '"stranger"' in "".join(map(str, refused(name)[1:]))


@pytest.mark.parametrize("name", WITH_SETTINGS)
def test_app_names_a_folder_without_the_project(name: str, on_migrated: str, project: Path, refused: Run) -> None:
    (project / "alembic.ini").unlink()

    assert "There are no migrations here." in "".join(map(str, refused(name)[1:]))


def test_app_names_a_file_that_cannot_be_written(refused: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SECRET_KEY")
    monkeypatch.setattr("app.cli.settings.project_folder", lambda: Path("/proc"))

    assert "(/proc/.env)." in refused("db current").err
