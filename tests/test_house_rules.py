"""The rules that a newcomer would break first: a rendered project's tools notice what breaks them.

Ruff and import-linter read `pyproject.toml`: here each is shown a file that breaks the rule, and
one that may. That one place commits is a rule neither of them can tell: it is read from the syntax.
"""

from __future__ import annotations

import ast
import json
import re
import shutil
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.combinations import FULL
from tests.projects import Run

SOURCES = ("src", "migrations")

# The words that end or begin a transaction, of a session, a connection or an engine: `begin()`
# commits at the end of its block.
TRANSACTIONS = frozenset(
    {"begin", "begin_nested", "begin_twophase", "commit", "commit_prepared", "rollback"}
)
# The modules that may, with the reason; all others open `atomic()` or `unit_of_work()`.
MAY_END_TRANSACTIONS = {
    "src/app/core/uow.py": {"begin_nested", "commit", "rollback"},  # the unit of work itself
    # What it calls, and what a session's end takes back.
    "src/app/core/database/sessions.py": {"begin", "commit", "rollback"},
    "src/app/core/database/connections.py": {"commit", "rollback"},
    "src/app/core/database/database.py": {"rollback"},  # of a probe
    # The steps that make hypertables, one process at a time; a part of `app db upgrade`.
    "src/app/core/timescale/extension.py": {"begin"},
    # Migrations have transactions of their own.
    "src/app/cli/migrations.py": {"commit", "rollback"},
    # The job queue's engine has a connection of its own.
    "src/app/core/jobs/engine.py": {"commit"},
}
_STATEMENT = re.compile(
    r"\s*(?:begin|commit|rollback|start\s+transaction|end)\b[\s;]*", re.IGNORECASE
)


def transactions_in(source: str) -> Iterator[tuple[int, str]]:
    """The line and the name of each thing that ends or begins a transaction."""
    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.Attribute(attr=name) if name in TRANSACTIONS:
                yield node.lineno, name
            case ast.Call(func=ast.Name("getattr"), args=[_, ast.Constant(str(name)), *_]) if (
                name in TRANSACTIONS
            ):
                yield node.lineno, name
            case ast.Call(
                func=ast.Name("text") | ast.Attribute(attr="text"),
                args=[ast.Constant(str(statement)), *_],
            ) if _STATEMENT.fullmatch(statement):
                yield node.lineno, statement.strip().lower()
            case ast.Constant("AUTOCOMMIT"):
                yield node.lineno, "AUTOCOMMIT"


def test_one_place_commits(run: Run) -> None:
    project = run.rendered(FULL)
    found = {
        f"{path.relative_to(project).as_posix()}:{line}: {name}"
        for folder in SOURCES
        for path in sorted((project / folder).rglob("*.py"))
        for line, name in transactions_in(path.read_text(encoding="utf-8"))
        if name not in MAY_END_TRANSACTIONS.get(path.relative_to(project).as_posix(), ())
    }
    assert found == set(), (
        "only the unit of work commits: open `atomic()` or `unit_of_work()` (app.core.uow)"
    )


def test_exceptions_to_the_one_place_that_commits_are_needed(run: Run) -> None:
    for name, allowed in MAY_END_TRANSACTIONS.items():
        used = {
            found
            for _, found in transactions_in((run.rendered(FULL) / name).read_text(encoding="utf-8"))
        }
        assert used == allowed, name


@pytest.mark.parametrize(
    "line",
    [
        "await session.commit()",
        "await uow.session.rollback()",
        "await connection.commit()",
        "async with session.begin(): ...",
        "async with get_database().writing.engine.begin() as connection: ...",
        "finish = session.commit",
        "await getattr(session, 'commit')()",
        "await session.execute(text('COMMIT;'))",
        "await session.execute(sa.text(' rollback'))",
        "await session.connection(execution_options={'isolation_level': 'AUTOCOMMIT'})",
    ],
)
def test_a_second_place_that_commits_is_found(line: str) -> None:
    assert (
        len(list(transactions_in(f"async def change(session, uow, connection):\n    {line}\n")))
        == 1
    )


@pytest.mark.parametrize(
    "line",
    [
        "uow.after_commit(tell)",
        "await uow.flush()",
        "text('SELECT 1 AS begin')",
    ],
)
def test_what_the_unit_of_work_offers_is_not(line: str) -> None:
    assert list(transactions_in(f"async def change(session, uow):\n    {line}\n")) == []


# Where, what, and the rule that ruff must name; None where it is allowed.
PLANTED = [
    ("src/app/services/p01.py", "from fastapi import HTTPException\n", "TID251"),
    ("src/app/services/p02.py", "from fastapi.exceptions import HTTPException\n", "TID251"),
    ("src/app/core/p03.py", "from starlette.exceptions import HTTPException\n", "TID251"),
    (
        "src/app/repositories/p04.py",
        "import fastapi\n\nERROR = fastapi.HTTPException(404)\n",
        "TID251",
    ),
    ("src/app/api/routes/p05.py", "from fastapi import HTTPException\n", "TID251"),
    ("src/app/api/errors.py", "from starlette.exceptions import HTTPException\n", None),
    ("src/app/services/p06.py", 'import os\n\nURL = os.environ["URL"]\n', "TID251"),
    ("src/app/services/p07.py", "from os import environ\n", "TID251"),
    ("src/app/wiring.py", 'import os\n\nURL = os.getenv("URL")\n', "TID251"),
    ("src/app/api/p08.py", 'from os import getenv\n\nURL = getenv("URL")\n', "TID251"),
    ("src/app/cli/p09.py", 'import os\n\nos.putenv("URL", "x")\n', "TID251"),
    ("src/app/core/p10.py", "from pydantic_settings import BaseSettings\n", "TID251"),
    ("src/app/core/config/p11.py", 'import os\n\nURL = os.environ["URL"]\n', "TID251"),
    ("src/app/core/config/loading.py", 'import os\n\nURL = os.environ["URL"]\n', None),
    ("src/app/core/config/section.py", "from pydantic_settings import BaseSettings\n", None),
    ("src/app/services/p12.py", "import httpx\n", "TID251"),
    ("src/app/core/http/client.py", "import httpx\n", None),
    (
        "src/app/services/p13.py",
        "from datetime import datetime\n\nNOW = datetime.now()\n",
        "DTZ005",
    ),
    (
        "src/app/services/p14.py",
        "from datetime import datetime\n\nNOW = datetime.utcnow()\n",
        "DTZ003",
    ),
    (
        "src/app/services/p15.py",
        "from datetime import datetime\n\nDAY = datetime(2026, 1, 1)\n",
        "DTZ001",
    ),
    (
        "src/app/services/p16.py",
        'try:\n    X = int("x")\nexcept ValueError:\n    raise KeyError("x")\n',
        "B904",
    ),
    (
        "src/app/services/p17.py",
        'try:\n    X = int("x")\nexcept ValueError as err:\n    raise err\n',
        "TRY201",
    ),
    ("src/app/services/p18.py", 'try:\n    X = int("x")\nexcept Exception:\n    X = 0\n', "BLE001"),
    ("src/app/services/p19.py", 'raise Exception("x")\n', "TRY002"),
]


def test_ruff_sees_what_breaks_a_rule(run: Run, tmp_path: Path) -> None:
    project = run.project(FULL)
    shutil.copy(project.folder / "pyproject.toml", tmp_path)
    for path, source, _ in PLANTED:
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(source)
    found = project.tool("ruff", "check", "--no-cache", "--output-format=json", str(tmp_path))
    seen: dict[str, set[str]] = {path: set() for path, _, _ in PLANTED}
    for each in json.loads(found.output):
        seen[Path(each["filename"]).resolve().relative_to(tmp_path.resolve()).as_posix()].add(
            each["code"]
        )
    missed = [
        (path, rule) for path, _, rule in PLANTED if rule is not None and rule not in seen[path]
    ]
    refused = [path for path, _, rule in PLANTED if rule is None and "TID251" in seen[path]]
    assert (missed, refused) == ([], [])


# The name of a contract, and what breaks it.
CONTRACTS = {
    "Requests walk one way: api, services, repositories, models; all may use core": (
        "src/app/core/health.py",
        "import app.services.users",
    ),
    "Only the API knows the web framework, only the command line its own": (
        "src/app/repositories/users.py",
        "import starlette.exceptions",
    ),
    "Only commands use what is for development, when they run": (
        "src/app/services/users.py",
        "import devtools",
    ),
    "Only app.core.secrets encrypts": ("src/app/services/users.py", "import cryptography"),
    "Other services are called through app.core.http alone": (
        "src/app/services/users.py",
        "import httpx",
    ),
    "Only app.core.security hashes passwords and signs tokens": (
        "src/app/services/users.py",
        "import jwt",
    ),
    "Only app.core.payment knows Stripe's SDK": ("src/app/services/users.py", "import stripe"),
    "Only app.core.redis knows the client": ("src/app/services/users.py", "import redis"),
    "Only the monitor's adapter knows Sentry's SDK": (
        "src/app/services/users.py",
        "import sentry_sdk",
    ),
    "Only app.core.database knows the driver": ("src/app/services/users.py", "import asyncpg"),
    "Only the adapter of the job queue knows its engine": (
        "src/app/core/jobs/queue.py",
        "import pgqueuer",
    ),
    "Only app.core.telemetry knows what metrics and traces are made with": (
        "src/app/core/cache/memory.py",
        "import prometheus_client",
    ),
    "Only app.core.mail speaks to mail servers": (
        "src/app/services/users.py",
        "import aiosmtplib",
    ),
    "Only the settings read the environment": (
        "src/app/services/users.py",
        "import pydantic_settings",
    ),
}


def test_import_linter_sees_what_breaks_a_contract(run: Run, tmp_path: Path) -> None:
    project = run.project(FULL)
    shutil.copy(project.folder / "pyproject.toml", tmp_path)
    contracts = tomllib.loads((tmp_path / "pyproject.toml").read_text(encoding="utf-8"))
    named = {each["name"] for each in contracts["tool"]["importlinter"]["contracts"]}
    assert named == CONTRACTS.keys(), "each contract is shown what breaks it"
    shutil.copytree(
        project.folder / "src", tmp_path / "src", ignore=shutil.ignore_patterns("__pycache__")
    )
    for path, line in CONTRACTS.values():
        with (tmp_path / path).open("a") as file:
            file.write(f"\n{line}\n")
    config = f"--config={tmp_path / 'pyproject.toml'}"
    source = str(tmp_path / "src")
    found = project.tool("lint-imports", "--no-cache", config, PYTHONPATH=source)
    kept = [name for name in CONTRACTS if f"{name} BROKEN" not in found.output]
    assert kept == [], found


def test_commands_import_what_is_for_development_when_they_run(run: Run) -> None:
    """The contract tells modules apart; that it is imported when they run, or is there, is read."""
    found = []
    for path in sorted((run.rendered(FULL) / "src").rglob("*.py")):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        inside = {
            node
            for function in ast.walk(tree)
            if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef | ast.If)
            for node in ast.walk(function)
        }
        for node in set(ast.walk(tree)) - inside:
            names = [each.name for each in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            if any(name.partition(".")[0] == "devtools" for name in names):
                found.append(path.name)
    assert found == []
