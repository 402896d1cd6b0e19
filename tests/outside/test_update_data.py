"""A database that an earlier release has filled, after the update and the migration."""

from __future__ import annotations

import base64
import json
import urllib.request
from pathlib import Path

import pytest

from tests.checkout import ROOT, commit, git
from tests.combinations import OLDEST_PYTHON
from tests.interpreters import find_interpreter
from tests.outside.serving import Databases, served
from tests.projects import Project, render
from tests.releases import releases
from tests.updating import command

pytestmark = pytest.mark.long

PASSWORD = "correct horse battery staple"  # noqa: S105 - of these tests alone
# The options of `app users create` by address: an ordinary user, and one who may little.
PEOPLE = {"ada@example.com": "", "bob@example.com": "--scope items:read"}
SECRET_KEY = "outside-0123456789abcdef0123456789abcdef"  # noqa: S105 - of these tests alone
COLUMNS = """
import asyncio, json, sys
import asyncpg

async def main(url):
    connection = await asyncpg.connect(url.replace("+asyncpg", ""))
    rows = await connection.fetch(
        "SELECT table_name || '.' || column_name AS name, is_nullable = 'YES' "
        "OR column_default IS NOT NULL OR is_identity = 'YES' AS may_be_left_out "
        "FROM information_schema.columns WHERE table_schema = 'public'"
    )
    print(json.dumps(dict(map(tuple, rows))))
    await connection.close()

asyncio.run(main(*sys.argv[1:]))
"""


def columns(project: Project, url: str) -> dict[str, bool]:
    """Return the columns by name, and whether an INSERT may leave them out."""
    ran = project.tool("python", "-c", COLUMNS, url)
    ran.must_succeed()
    found: dict[str, bool] = json.loads(ran.output)
    return found


def scopes(project: Project, url: str, log: Path) -> dict[str, set[str]]:
    """Serve the project, log everyone in, and return the scopes of their tokens."""
    found = {}
    with served(project, url, log, migrate=False) as server:
        for email in PEOPLE:
            request = urllib.request.Request(
                f"{server.url}/api/v1/auth/login",
                data=json.dumps({"email": email, "password": PASSWORD}).encode(),
                headers={"Content-Type": "application/json"},
            )
            with urllib.request.urlopen(request, timeout=60) as answer:
                token = str(json.load(answer)["access_token"])
            claims = json.loads(base64.urlsafe_b64decode(token.split(".")[1] + "=="))
            found[email] = set(claims["scope"].split())
    return found


@pytest.mark.parametrize("version", list(releases(ROOT))[-2:])
def test_everyone_logs_in_after_the_update_with_the_scopes_they_had(
    version: str, postgres: Databases, tmp_path: Path
) -> None:
    template, folder, temporary = tmp_path / "template", tmp_path / "project", tmp_path / "t"
    temporary.mkdir()
    git(ROOT, "clone", "--quiet", "--no-local", ".", str(template))
    render(template, folder, version=releases(template)[version])
    git(folder, "init", "--quiet", "--initial-branch=main")
    commit(folder, "Rendered")
    interpreter = find_interpreter(OLDEST_PYTHON)
    assert interpreter
    project = Project(
        folder=folder, interpreter=interpreter, venv=folder / ".venv", temporary_folder=temporary
    )
    project.run("uv", "sync").must_succeed()
    url = postgres.create()
    settings = {"DATABASE_URL": url, "SECRET_KEY": SECRET_KEY}
    project.tool("app", "db", "upgrade", timeout=300, **settings).must_succeed()
    for email, options in PEOPLE.items():
        create = f"app users create --email {email} {options} --password-stdin"
        project.tool(
            "sh", "-c", f"echo '{PASSWORD}' | {create}", timeout=300, **settings
        ).must_succeed()
    before, before_columns = scopes(project, url, tmp_path / "before"), columns(project, url)

    command(folder, "update", "--to", "HEAD", seconds=600).must_succeed()
    commit(folder, "Updated")
    project.run("uv", "sync").must_succeed()
    # As CHANGELOG says.
    project.tool("app", "db", "revision", "-m", "update", timeout=300, **settings).must_succeed()
    project.tool("app", "db", "upgrade", timeout=300, **settings).must_succeed()

    after = scopes(project, url, tmp_path / "after")
    assert all(before[email] <= after[email] for email in PEOPLE), (before, after)
    tables = {name.partition(".")[0] for name in before_columns}
    required = {
        name for name, may_be_left_out in columns(project, url).items() if not may_be_left_out
    }
    assert {
        name for name in required - before_columns.keys() if name.partition(".")[0] in tables
    } == set()
    # Nothing is left to be asked or done.
    project.tool("app", "db", "check", timeout=300, **settings).must_succeed()
