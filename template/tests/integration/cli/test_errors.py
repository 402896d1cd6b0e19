"""Every command says what is wrong as the system told it, and a next step; no traceback, no log line, no value."""

import io
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy.engine import make_url
from typer.core import TyperGroup

from app.cli.commands import COMMANDS, cli, load_command
from tests.environments import production
from tests.integration.cli.conftest import PROJECT, Result, Run
from tests.integration.core.listeners import closed_port

# What commands cannot do without.
ARGUMENTS: dict[str, tuple[str, ...]] = {
    "db downgrade": ("-1",),
    "db revision": ("-m", "x"),
    "db merge": ("-m", "x"),
    "secrets set": ("openai", "--org", "7"),
    "secrets delete": ("openai", "--org", "7", "--yes"),
    "users create": ("--email", "ada@example.com", "--password-stdin"),
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


ALL = sorted(names())
WITH_SETTINGS = sorted(set(ALL) - WITHOUT_SETTINGS)


@pytest.fixture
def refused(app_command: Run, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run a command that must fail as it should."""
    # The embedded server's commands ask a port for themselves first.
    with closed_port() as free:
        monkeypatch.setenv("API_PORT", str(free))

    def command(*arguments: str) -> Result:
        monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(b"planted words, fifteen or more\n")))
        result = app_command(*arguments, *ARGUMENTS.get(" ".join(arguments), ()))
        said = result.out + result.err
        assert result.code == (2 if "--nonsense" in arguments else 1), said
        assert "planted" not in said
        assert "[redacted]" not in said
        assert "Traceback" not in said
        assert not LOG_LINE.search(said), said
        if arguments[0] == "doctor" and "--nonsense" not in arguments:
            assert re.search(r"^failed  \w+: .+", result.out, re.MULTILINE)
            assert re.search(r"^        next: .+", result.out, re.MULTILINE)
        else:
            assert re.search(r"^error: .+", result.err, re.MULTILINE), said
            assert re.search(r"^next: .+", result.err, re.MULTILINE), said
        return result

    return command


def test_the_list_of_commands_says_what_each_says_of_itself() -> None:
    for name, listed in COMMANDS.items():
        assert name == "update" or (load_command(name).help or "").startswith(listed.help.removesuffix(".")[:20]), name
    assert cli.info.name == "app"


# A downgrade's -1 looks like an option, and the options of `update` are those of the template's command.
@pytest.mark.parametrize("name", sorted(set(ALL) - {"db downgrade", "update"}))
def test_an_unknown_option_is_answered_with_the_way_to_the_help(name: str, refused: Run) -> None:
    result = refused(*name.split(), "--nonsense")

    assert "No such option: --nonsense" in result.err
    assert f"`app {name} --help`" in result.err


@pytest.mark.parametrize("arguments", ["nonsense", "db nonsense", "serve --port 0", "serve --workers x", "secrets set"])
def test_a_wrong_command_line_is_answered_with_the_way_to_the_help(
    arguments: str, project: Path, app_command: Run
) -> None:
    result = app_command(*arguments.split())

    assert result.code == 2
    assert result.err.startswith("error: ")
    assert "--help` shows the commands and options.\n" in result.err


@pytest.mark.parametrize("name", WITH_SETTINGS)
def test_wrong_settings_are_named_by_every_command(
    name: str, project: Path, refused: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    production(monkeypatch, SECRET_KEY="planted", DATABASE_URL="postgresql://u:planted@s/s@h/db")

    result = refused(*name.split())

    assert "SECRET_KEY should have at least 32" in result.out + result.err
    assert "DATABASE_URL must have its password percent-encoded" in result.out + result.err


@pytest.mark.parametrize("name", WITH_SETTINGS)
def test_a_refused_connection_is_named_by_every_command(
    name: str, project: Path, refused: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    with closed_port() as port:
        monkeypatch.setenv("DATABASE_URL", f"postgresql://u:planted@127.0.0.1:{port}/app")
        result = refused(*name.split())

    assert "cannot be reached: Connection refused." in result.out + result.err


@pytest.mark.parametrize("name", WITH_SETTINGS)
def test_a_refused_role_is_named_by_every_command(
    name: str, on_migrated: str, refused: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = make_url(on_migrated).set(username="stranger", password="planted")
    monkeypatch.setenv("DATABASE_URL", url.render_as_string(hide_password=False))

    assert "refused the user name or the password" in "".join(map(str, refused(*name.split())[1:]))


@pytest.mark.parametrize("name", WITH_SETTINGS)
def test_a_folder_without_the_project_is_named_by_every_command(
    name: str, on_migrated: str, project: Path, refused: Run
) -> None:
    (project / "alembic.ini").unlink()

    assert "There are no migrations here." in "".join(map(str, refused(*name.split())[1:]))


@pytest.mark.parametrize("name", sorted(set(WITH_SETTINGS) - {"serve"}))
def test_a_file_that_cannot_be_written_is_named_by_every_command(
    name: str, project: Path, refused: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SECRET_KEY")
    monkeypatch.setattr("app.cli.settings.project_folder", lambda: Path("/proc"))

    assert ".env cannot be written to /proc (" in "".join(map(str, refused(*name.split())[1:]))


# What replaces which line of which module, and what is said of it.
BROKEN = [
    ("services/users.py", "import no_such_package\n", "app.services.users cannot be imported (", "No module named"),
    ("services/users.py", "from app.core import no_such\n", "app.services.users cannot be imported (", "cannot import"),
    ("repositories/users.py", "def broken(:\n", "app.repositories.users cannot be imported (", "invalid syntax"),
    ("core/cache/__init__.py", "import no_such_package\n", "app.core.cache cannot be imported (", "No module named"),
    ("core/config/api.py", "no_such_name()\n", "app.core.config.api cannot be imported (", "NameError: name"),
    ("wiring.py", f"{'<' * 7} before\n", "wiring.py, line 1: conflicts of an update", "left there"),
]


@pytest.mark.parametrize("broken", BROKEN, ids=lambda each: f"{each[0]}: {each[3]}")
@pytest.mark.parametrize("command", ["doctor", "users create"])
def test_a_module_that_cannot_be_imported_is_named(
    command: str, broken: tuple[str, str, str, str], project: Path, on_migrated: str
) -> None:
    file, line, message, cause = broken
    shutil.copytree(PROJECT / "src", project / "src", ignore=shutil.ignore_patterns("__pycache__"))
    module = project / "src" / "app" / file
    module.write_text(f"{line}{module.read_text()}")
    environment = {name: value for name, value in os.environ.items() if not name.startswith("COV")}

    ended = subprocess.run(
        [sys.executable, "-c", "from app.cli import run; run()", *command.split()],
        env={**environment, "PYTHONPATH": str(project / "src"), "DATABASE_URL": on_migrated},
        cwd=project,
        capture_output=True,
        text=True,
        check=False,
    )

    said = ended.stdout + ended.stderr
    assert ended.returncode == 1, said
    assert message in said
    assert f"src/app/{file}, line 1" in said
    assert cause in said
    assert said.count("next: ") == said.count("failed  ") + said.count("error: ") + said.count("warning "), said
    assert "Traceback" not in said
    assert not LOG_LINE.search(said), said
    if command == "doctor" and not file.startswith("core"):
        assert "ok      database: PostgreSQL" in said


def test_the_list_of_commands_imports_none_of_them() -> None:
    heavy = ("sqlalchemy", "pydantic", "fastapi", "app.core", "alembic")
    script = f"import sys\nimport app.cli.commands\nsys.exit(str([name for name in {heavy} if name in sys.modules]))"

    ended = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)

    assert ended.stderr == "[]\n"
