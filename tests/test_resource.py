"""`ashlar add resource` writes what a project's own tools and tests are content with."""

from __future__ import annotations

import ast
import os
import re
import shutil
import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from ashlar.project import Project as Known
from ashlar.resource.names import plural_of, with_article
from ashlar.resource.planning import Plan, plan_resource
from ashlar.resource.writing import write_resource
from tests.checkout import ROOT, commit, git
from tests.combinations import COMBINATIONS, EXAMPLE
from tests.pages import must_show, session
from tests.projects import Finished, Project, Run, tree
from tests.updating import command, status

(DEFAULT,) = (each for each in COMBINATIONS if each.on == {EXAMPLE})
PAGE = (ROOT / "docs/add-resource.md").read_text(encoding="utf-8")
WIRING = "src/app/wiring.py"
TYPES = "src/app/models/schemas/types.py"
TICKET = ("title:str", "status:enum(open,closed)", "due:datetime?", "owner:users")
MIGRATIONS = "migrations/versions/"
WRITTEN = [
    MIGRATIONS,
    "src/app/api/routes/tickets.py",
    "src/app/models/domain/ticket.py",
    "src/app/models/events/ticket.py",
    "src/app/models/schemas/ticket.py",
    "src/app/repositories/tickets.py",
    "src/app/services/tickets.py",
    "tests/integration/api/test_tickets.py",
]
# The definitions that CONTRIBUTING shows with more in them.
LONGER = {"create_note"}

Definition = ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef


@pytest.fixture(scope="module")
def project(run: Run, tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A project of one's own, with its tools, committed."""
    shared = run.project(DEFAULT)
    folder = tmp_path_factory.mktemp("resource") / "project"
    # What is compiled would be committed with the rest.
    shutil.copytree(shared.folder, folder, ignore=shutil.ignore_patterns("__pycache__"))
    made = replace(shared, folder=folder, venv=folder / ".venv")
    made.run("uv", "sync", "--quiet").must_succeed()
    return made


def add(project: Project, *arguments: str, **environment: str) -> Finished:
    """Run the command in a project."""
    words = ("add", "resource", *arguments)
    return command(project.folder, *words, seconds=300, **project.environment, **environment)


def plan(project: Project, name: str, *fields: str) -> Plan:
    """Return what would be written, in this process."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("UV_PROJECT_ENVIRONMENT", str(project.venv))
        return plan_resource(Known.open(project.folder), name, fields)


def test_a_dry_run_shows_the_files_and_writes_nothing(project: Project) -> None:
    shown = add(project, "ticket", *TICKET, "--dry-run")
    assert shown.code == 0, shown
    assert TYPES not in shown.output
    for path in WRITTEN[1:]:
        assert re.search(rf"^add +{path} \(\d+ lines\)$", shown.output, re.MULTILINE), path
    assert "\n+from app.api.routes import tickets\n" in shown.output
    assert '\n+    "tickets:write",\n' in shown.output
    assert status(project.folder) == {}


def test_the_session_of_the_page_leaves_a_project_that_is_green(
    run: Run, project: Project, tmp_path: Path
) -> None:
    # A user's own line is there already.
    wiring = project.folder / WIRING
    mark = "# isort: split\n# Yours below this line.\n"
    mine = "from app.core import get_logger as mine  # noqa: F401\n"
    text = wiring.read_text()
    assert text.count(mark) == 1
    wiring.write_text(text.replace(mark, f"{mark}{mine}"))
    commit(project.folder, "Mine")
    program = tmp_path / "ashlar"
    program.write_text(f'#!/bin/sh\nPYTHONPATH={ROOT}/src exec {sys.executable} -m ashlar "$@"\n')
    program.chmod(0o755)

    for line, expected in session(PAGE):
        path = f"PATH={tmp_path}:{os.environ['PATH']}"
        finished = project.run("env", path, "bash", "-c", line)
        finished.must_succeed()
        must_show(finished.output, expected, line)

    found = status(project.folder).items()
    assert {**dict.fromkeys(WRITTEN, "??"), WIRING: " M"} == {
        MIGRATIONS if path.startswith(MIGRATIONS) else path: how for path, how in found
    }
    own = git(project.folder, "diff", "--unified=0", "--", WIRING)
    assert [line[1:] for line in own.splitlines() if re.match(r"[+-](?![+-])", line)] == [
        "from app.api.routes import tickets",
        "    tickets.router,",
        '    "tickets:read",',
        '    "tickets:write",',
    ]
    for tool in ("ruff check", "ruff format --check", "lint-imports", "app db check"):
        project.tool(*tool.split()).must_succeed()
    project.tool("mypy", MYPY_CACHE_DIR=str(run.folder / "mypy" / "resource")).must_succeed()
    project.tool("pytest", "-q", "tests/integration/api/test_openapi.py").must_succeed()


def test_a_migration_that_cannot_be_written_is_one_command_away(project: Project) -> None:
    commit(project.folder, "With tickets, or without")
    nowhere = "postgresql://ana:secret@127.0.0.1:1/shop"
    halfway = add(project, "parcel", "weight:decimal", DATABASE_URL=nowhere)
    assert halfway.code == 1, halfway
    error, _, after = halfway.output.strip().partition("\nnext: ")
    assert "the migration is not: The database cannot be reached" in error
    assert "secret" not in halfway.output
    assert set(status(project.folder)) >= {WIRING, "src/app/models/domain/parcel.py"}
    (step,) = re.findall(r"Then run `(.*)`\.$", after)
    project.run("sh", "-c", step).must_succeed()
    project.tool("app", "db", "upgrade").must_succeed()
    project.tool("app", "db", "check").must_succeed()


def test_a_type_comes_with_the_first_field_that_needs_it(project: Project) -> None:
    types = project.folder / TYPES
    types.write_bytes((ROOT / "template" / TYPES).read_bytes())
    commit(project.folder, "With parcels, or without")
    assert TYPES not in plan(project, "letter", "text:str", "sent:datetime").changed
    shown = add(project, "letter", "sent:date?", "--dry-run").output
    assert f"\nchange    {TYPES}\n" in shown
    assert "\n+Day = Annotated[\n" in shown
    assert "Exact" not in shown

    before, after = plan(project, "letter", "sent:date", "due:date", "weight:decimal").changed[
        TYPES
    ]
    assert [line for line in before.splitlines() if line not in after.splitlines()] == [
        "from datetime import UTC, datetime"
    ]
    assert "\nfrom datetime import UTC, date, datetime\nfrom decimal import Decimal\n" in after
    assert (after.count("\nDay = "), after.count("\nExact = ")) == (1, 1)
    types.write_text(after)
    commit(project.folder, "With both")
    assert TYPES not in plan(project, "letter", "sent:date", "weight:decimal").changed
    for tool in ("ruff check", "ruff format --check"):
        project.tool(*tool.split(), TYPES).must_succeed()
    project.tool("mypy", TYPES).must_succeed()


def test_nothing_is_left_where_a_file_cannot_be_written(project: Project) -> None:
    commit(project.folder, "With parcels, or without")
    before = tree(project.folder / "src")
    whole = plan(project, "letter", "text:str")
    # A module where a folder would have to be.
    whole.new["src/app/main.py/letters.py"] = ""
    with pytest.raises(OSError, match=r"main\.py"):
        write_resource(whole)
    assert tree(project.folder / "src") == before


def examples() -> dict[str, ast.Module]:
    """Return the modules that CONTRIBUTING shows, by their paths."""
    guide = (ROOT / "template/CONTRIBUTING.md").read_text(encoding="utf-8")
    blocks = re.findall(r"^```python\n(.*?)^```$", guide, re.DOTALL | re.MULTILINE)
    pattern = r"^# (\S+\.py)\n(.*?)(?=^# \S+\.py\n|\Z)"
    found = re.findall(pattern, "".join(blocks), re.DOTALL | re.MULTILINE)
    return {path: ast.parse(source) for path, source in found}


def definitions(tree: ast.Module) -> Iterator[tuple[str, ast.stmt]]:
    """Yield the classes, functions and values of a module by their names."""
    for node in tree.body:
        match node:
            case ast.ClassDef(name=name) | ast.AsyncFunctionDef(name=name):
                yield name, node
            case ast.Assign(targets=[ast.Name(id=name)]) | ast.AnnAssign(target=ast.Name(id=name)):
                yield name, node


def statements(node: ast.stmt) -> Sequence[str]:
    """Return a function's statements, without its docstring."""
    assert isinstance(node, ast.AsyncFunctionDef)
    return [ast.dump(each) for each in node.body[1:]]


def test_contributing_shows_what_the_command_writes(project: Project) -> None:
    written = {
        path: dict(definitions(ast.parse(text)))
        for path, text in plan(project, "note", "text:str", "owner:users").new.items()
    }
    compared = set()
    for path, module in examples().items():
        for name, shown in definitions(module):
            made = written.get(path, {}).get(name)
            if made is None or name == "pytestmark":
                continue
            compared.add(name)
            if name in LONGER:
                rest = iter(statements(shown))
                assert all(each in rest for each in statements(made)), f"{name} of {path}"
            else:
                assert ast.unparse(shown) == ast.unparse(made), f"{name} of {path}"
    assert compared >= LONGER | {
        "Note",
        "NoteRead",
        "NoteChanged",
        "_LIST",
        "insert_note",
        "Reader",
    }
    assert compared.isdisjoint({"count_notes", "forget_count"})


@pytest.mark.parametrize(
    ("name", "plural"),
    [
        ("ticket", "tickets"),
        ("entry", "entries"),
        ("survey", "surveys"),
        ("address", "addresses"),
        ("box", "boxes"),
        ("branch", "branches"),
        ("wish", "wishes"),
        ("support_case", "support_cases"),
    ],
)
def test_a_plural_follows_the_rules(name: str, plural: str) -> None:
    assert plural_of(name) == plural


@pytest.mark.parametrize(
    ("words", "whole"),
    [("ticket", "a"), ("order", "an"), ("hour", "an"), ("user", "a"), ("unit", "a")],
)
def test_an_article_follows_the_sound(words: str, whole: str) -> None:
    assert with_article(words) == f"{whole} {words}"
