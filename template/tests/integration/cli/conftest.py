"""The command line in a copy of the project, on a database of its own."""

import io
import secrets
import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
from alembic.script import ScriptDirectory
from prompt_toolkit.application import create_app_session
from prompt_toolkit.data_structures import Size
from prompt_toolkit.input import create_pipe_input
from prompt_toolkit.output.vt100 import Vt100_Output

from app.cli import run
from app.core.config import get_settings
from app.core.config.loading import known_variables
from tests.databases import DatabaseServer
from tests.logs import logging_as_it_was

PROJECT = Path(__file__).parents[3]
# The console script as a process of its own.
CONSOLE = (sys.executable, "-c", "from app.cli import run; run()")


class Result(NamedTuple):
    """The exit code of a command, and what it printed."""

    code: int
    out: str
    err: str


Run = Callable[..., Result]


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Copy what commands need of the project to the working directory; nothing is configured but a key."""
    for name in known_variables():
        # Set and then deleted: what a command sets by itself ends with the test, too.
        monkeypatch.setenv(name, "")
        monkeypatch.delenv(name)
    for name in ("alembic.ini", "pyproject.toml"):
        shutil.copy(PROJECT / name, tmp_path)
    shutil.copytree(PROJECT / "migrations", tmp_path / "migrations", ignore=shutil.ignore_patterns("__pycache__"))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SECRET_KEY", secrets.token_urlsafe(48))
    # A command is a process of its own; here it is another's guest, which may have an application running.
    monkeypatch.setattr("app.core.process._open", [])
    get_settings.cache_clear()
    yield tmp_path
    get_settings.cache_clear()


@pytest.fixture
def head() -> str:
    """The revision of the project's newest migration, which may be one of yours."""
    return str(ScriptDirectory(str(PROJECT / "migrations")).get_current_head())


@pytest.fixture
def app_command(project: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Run the console script in this process."""

    def command(*arguments: str) -> Result:
        monkeypatch.setattr(sys, "argv", ["app", *arguments])
        get_settings.cache_clear()
        with logging_as_it_was(), pytest.raises(SystemExit) as ended:
            run()
        code = ended.value.code
        assert isinstance(code, int)
        return Result(code, *capsys.readouterr())

    return command


@pytest.fixture
def empty_url(server: DatabaseServer, worker_id: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A database without a single table."""
    with server.database(f"{worker_id}_empty") as url:
        yield url


@pytest.fixture
def on_empty(project: Path, empty_url: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """Have commands work on a database without a single table."""
    monkeypatch.setenv("DATABASE_URL", empty_url)
    return empty_url


@pytest.fixture
def on_migrated(project: Path, scratch_url: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """Have commands work on a database with every migration applied."""
    monkeypatch.setenv("DATABASE_URL", scratch_url)
    return scratch_url


class _Keyboard(io.StringIO):
    """Standard input at which a person types."""

    def isatty(self) -> bool:
        return True


TypeIn = Callable[..., tuple[Result, str]]


@pytest.fixture
def type_in(app_command: Run, monkeypatch: pytest.MonkeyPatch) -> TypeIn:
    """Run a command at a terminal with some keys typed; returns its result, and what the terminal has shown."""

    def command(keys: str, *arguments: str) -> tuple[Result, str]:
        shown = io.StringIO()
        screen = Vt100_Output(shown, lambda: Size(rows=24, columns=80), term="xterm", enable_cpr=False)
        monkeypatch.setattr("sys.stdin", _Keyboard())
        with create_pipe_input() as typed, create_app_session(input=typed, output=screen):
            typed.send_text(keys)
            return app_command(*arguments), shown.getvalue()

    return command


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Whole commands, most of them against a database of their own, are no tests for every minute."""
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.process)
