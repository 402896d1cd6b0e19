"""An update of a project with a developer's edits: a new version, and other services at once.

Nothing conflicts but the one line that both changed, the project's own checks and tests pass before
and after, and what is in its database stays.
"""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from tests.checkout import commit, git, is_rendered, take_snapshot
from tests.combinations import FULL, OLDEST_PYTHON, SERVICES, Combination, Depth
from tests.edits import CONFLICTS, EDITS, next_version
from tests.interpreters import find_interpreter
from tests.projects import Project, render, update_project

pytestmark = pytest.mark.laws

# Run in the project, on the database its commands use; prints what the last statement returns.
STATEMENTS = """
import asyncio, json, sys
from sqlalchemy import text
from app.cli.settings import command_settings, with_database
from app.core.database import Database

async def run(settings):
    database = Database(settings.database)
    async with database.writing.engine.begin() as connection:
        for statement in sys.argv[1:]:
            found = await connection.execute(text(statement))
        print(json.dumps([list(row) for row in found], default=str))
    await database.close()

with with_database(command_settings()) as settings:
    asyncio.run(run(settings))
"""

DATA = """
WITH ada AS (
    INSERT INTO users (id, email, password_hash, scopes)
    VALUES (gen_random_uuid(), 'ada@example.com', 'x', '{}') RETURNING id
), written AS (
    INSERT INTO notes (id, owner_id, text)
    SELECT gen_random_uuid(), ada.id, 'note ' || n FROM ada, generate_series(1, 500) n RETURNING 1
) SELECT count(*) FROM written
"""
READ = """
SELECT email, count(*), min(text), max(text)
FROM users JOIN notes ON owner_id = users.id GROUP BY email
"""
KEPT = [["ada@example.com", 500, "note 1", "note 99"]]


def with_services(*services: str) -> Combination:
    """Return the combination with these services and the example."""
    on = frozenset({*services, *(FULL.on - set(SERVICES))})
    return Combination(on=on, depth=Depth.RENDERED, interpreters=())


def ask(project: Project, *statements: str) -> list[list[object]]:
    """Run statements on the project's database."""
    finished = project.tool("python", "-c", STATEMENTS, *statements)
    finished.must_succeed()
    rows: list[list[object]] = json.loads(finished.output.splitlines()[-1])
    return rows


LINTERS = ("ruff check", "ruff format --check", "lint-imports")
# What the project's own CI runs, but for what takes processes of its own.
WHOLE = (*LINTERS, "mypy", "pytest -q -n auto")


@pytest.fixture
def template(tmp_path: Path) -> Path:
    """A repository with two versions of the template."""
    template = tmp_path / "template"
    take_snapshot(template, of=is_rendered)
    next_version(template)
    commit(template, "The next version", tag="0.2.0")
    return template


@pytest.fixture
def project(template: Path, tmp_path: Path) -> Project:
    """A project of the first version, with all services but the last, and with edits."""
    interpreter = find_interpreter(OLDEST_PYTHON)
    assert interpreter
    temporary = tmp_path / "t"
    temporary.mkdir()
    project = Project(
        folder=tmp_path / "project",
        interpreter=interpreter,
        venv=tmp_path / "venv",
        temporary_folder=temporary,
    )
    render(template, project.folder, with_services(*SERVICES[:-1]).answers, version="0.1.0")
    git(project.folder, "init", "--quiet", "--initial-branch=main")
    project.run("uv", "sync").must_succeed()
    commit(project.folder, "Rendered")
    for edit in EDITS:
        edit(project.folder)
        for fix in ("ruff check --fix", "ruff format"):
            project.tool(*fix.split()).must_succeed()
        commit(project.folder, edit.__name__)
    project.run("uv", "add", "--quiet", "sniffio").must_succeed()
    project.tool("app", "db", "revision", "-m", "notes").must_succeed()
    project.tool("app", "db", "upgrade").must_succeed()
    ask(project, DATA)
    for fix in ("ruff check --fix", "ruff format"):
        project.tool(*fix.split()).must_succeed()
    with (project.folder / ".env").open("a", encoding="utf-8") as settings:
        settings.write("LOG_LEVEL=DEBUG\n")
    git(project.folder, "add", "--all")
    git(project.folder, "commit", "--quiet", "--message=Notes in the database")
    return project


@pytest.mark.parametrize(
    "checks",
    [
        pytest.param(LINTERS, id="linters"),
        pytest.param(WHOLE, id="all checks", marks=pytest.mark.long),
    ],
)
def test_edits_survive_a_new_version_and_other_services(
    project: Project, checks: tuple[str, ...]
) -> None:
    environment = (project.folder / ".env").read_text()
    after = with_services(*SERVICES[1:])

    update_project(project.folder, after.answers, version="0.2.0")

    conflicted = git(project.folder, "diff", "--name-only", "--diff-filter=U").split()
    assert conflicted == [*CONFLICTS]
    marked = {
        str(path.relative_to(project.folder))
        for path in project.folder.rglob("*.*")
        if path.is_file()
        and b"\n<<<<<<< " in b"\n" + path.read_bytes()
        and ".git" not in path.parts
    }
    assert marked == {*CONFLICTS}
    for path in CONFLICTS:
        settle(project.folder / path)

    must_have_both(project.folder)
    assert (project.folder / ".env").read_text() == environment
    project.run("uv", "sync").must_succeed()
    project.tool("app", "db", "revision", "-m", "services").must_succeed()
    project.tool("app", "db", "upgrade").must_succeed()
    project.tool("app", "db", "check").must_succeed()
    assert ask(project, READ) == KEPT
    for fix in ("ruff check --fix", "ruff format"):
        project.tool(*fix.split()).must_succeed()
    for command in checks:
        project.tool(*command.split()).must_succeed()
    if checks == WHOLE:
        # The tests of commands copy the project's migrations, of which the newest are its own.
        commands = ["pytest", "-q", "-n", "auto", "-m", "process", "tests/integration/cli"]
        project.tool(*commands, "-k", "test_db or test_secrets or test_timescale").must_succeed()


def settle(file: Path) -> None:
    """Settle what is in conflict as the template has it."""
    conflict = re.compile(r"<<<<<<< [^\n]*\n.*?=======\n(.*?)>>>>>>> [^\n]*\n", re.DOTALL)
    file.write_text(conflict.sub(r"\1", file.read_text(encoding="utf-8")), encoding="utf-8")


def must_have_both(folder: Path) -> None:
    """Look for each side's changes, with the template's where both had changed the same line."""
    text = {
        path: (folder / path).read_text(encoding="utf-8")
        for path in (
            "src/app/wiring.py", "src/app/core/config/process.py", ".env.example", "pyproject.toml",
            ".github/workflows/ci.yml", "compose.yaml", "src/app/main.py",
            "src/app/api/dependencies.py",
        )
    }  # fmt: skip
    assert "    notes.router,\n" in text["src/app/wiring.py"]
    assert '"""This is the composition' in text["src/app/wiring.py"]
    assert "default=600" in text["src/app/core/config/process.py"]
    assert "# CACHE_DEFAULT_TTL_SECONDS=600\n" in text[".env.example"]
    assert "# JOBS_CONCURRENCY=20\n" in text[".env.example"]
    assert '"sniffio' in text["pyproject.toml"]
    assert '"rich>=15.0.0"' in text["pyproject.toml"]
    assert text[".github/workflows/ci.yml"].endswith("openapi.json\n")
    assert "timeout-minutes: 12" in text[".github/workflows/ci.yml"]
    assert "axllent/mailpit" in text["compose.yaml"]
    assert "app.services.limiters" in text["src/app/api/dependencies.py"]
    assert "and home. The unit" in text["src/app/main.py"]
    assert (folder / "src/app/core/clock.py").is_file()
    assert (folder / "src/app/services/notes.py").is_file()
    for gone in ("src/app/services/limits.py", "tests/integration/api/test_health.py"):
        assert not (folder / gone).exists()
