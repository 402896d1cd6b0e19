"""Through a pooler in transaction mode by one setting, and what is said where that is missing."""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.outside.pooler import PROGRAM, pooler
from tests.outside.serving import PERSON, Databases, Served, free_port, make_person, served
from tests.projects import Finished, Project

CLIENTS = 8
REQUESTS = 800
PLUGIN = Path(__file__).with_name("through_pooler.py")
KEY = {"SECRET_KEY": "outside-0123456789abcdef0123456789abcdef"}

pytestmark = pytest.mark.skipif(PROGRAM is None, reason="there is no pgbouncer")


@contextmanager
def pooled(
    full: Project, postgres: Databases, folder: Path, **environment: str
) -> Iterator[tuple[Served, str]]:
    """Serve the project through a pooler; its migrations go past it."""
    direct = postgres.create()
    past = {"MIGRATION_DATABASE_URL": direct, "DATABASE_POOLER": "transaction"}
    with pooler(direct, folder, free_port()) as url:
        log = folder / "served.log"
        with served(full, url, log, migrate=True, **past, **environment) as server:
            yield server, direct


def call(server: Served, method: str, path: str, body: object = None, token: str = "") -> Any:
    """Call the API and return what it answers."""
    headers = {"Content-Type": "application/json"}
    if token:
        headers["Authorization"] = f"Bearer {token}"
    data = None if body is None else json.dumps(body).encode()
    url = f"{server.url}/api/v1{path}"
    request = urllib.request.Request(url, method=method, data=data, headers=headers)
    with urllib.request.urlopen(request, timeout=60) as answer:
        return json.load(answer)


def run(project: Project, *command: str, **environment: str) -> Finished:
    """Run a command of the project."""
    return project.tool("app", *command, timeout=300, **environment)


@pytest.mark.long
def test_more_clients_than_connections_of_the_server_are_all_answered(
    full: Project, postgres: Databases, tmp_path: Path
) -> None:
    with pooled(full, postgres, tmp_path, API_WORKERS="2") as (server, direct):
        make_person(full, direct)
        token = call(server, "POST", "/auth/login", PERSON)["access_token"]

        def work(number: int) -> str:
            if number % 4 == 0:
                new = {"sku": f"P-{number}", "name": f"item {number}"}
                made: str = call(server, "POST", "/items", new, token)["sku"]
                return made
            found: str = call(server, "GET", "/items?limit=5", token=token)["items"][0]["sku"]
            return found

        assert work(-4 * 100)
        with ThreadPoolExecutor(CLIENTS) as pool:
            answers = list(pool.map(work, range(REQUESTS)))
        assert len(answers) == REQUESTS


@pytest.mark.long
def test_api_tests_of_a_project_pass_through_the_pooler(
    full: Project, postgres: Databases, tmp_path: Path
) -> None:
    direct = postgres.create()
    with pooler(direct, tmp_path, free_port()) as url:
        full.run(
            str(full.venv / "bin" / "pytest"),
            *("-q", "-p", "through_pooler", "-p", "no:cacheprovider", "tests/integration/api"),
            # Connections of the server that the pooler has open stay as they were.
            *("-k", "not ready_is_503_where_the_database_takes_no_changes"),
            timeout=900,
            TEST_DATABASE_URL=direct,
            POOLER_UNDER_TEST=url,
            PYTHONPATH=f"{PLUGIN.parent}:{full.folder}",
        ).must_succeed()
    assert "login attempt: db=test_" in (tmp_path / "log").read_text()


def test_doctor_names_the_pooler_that_refuses_the_limits(
    full: Project, postgres: Databases, tmp_path: Path
) -> None:
    with pooler(postgres.create(), tmp_path, free_port()) as url:
        found = run(full, "doctor", DATABASE_URL=url, **KEY)
    assert found.code == 1
    assert "pooler" in found.output
    assert "DATABASE_POOLER=transaction" in found.output
    assert "host and port" not in found.output


@pytest.mark.long
def test_limits_that_a_pooler_drops_in_silence_are_refused(
    full: Project, postgres: Databases, tmp_path: Path
) -> None:
    ignored = (
        "jit,statement_timeout,lock_timeout,idle_in_transaction_session_timeout,"
        "default_transaction_read_only"
    )
    direct = postgres.create()
    run(full, "db", "upgrade", DATABASE_URL=direct, **KEY).must_succeed()
    with pooler(direct, tmp_path, free_port(), f"ignore_startup_parameters = {ignored}") as url:
        past = {"MIGRATION_DATABASE_URL": direct, "DATABASE_URL": url, **KEY}
        for command in ("doctor", "serve"):
            port = ("--port", str(free_port())) if command == "serve" else ()
            found = run(full, command, *port, **past)
            assert found.code == 1
            assert "'statement_timeout': '0'" in " ".join(found.output.split())
        run(full, "doctor", DATABASE_POOLER="transaction", **past).must_succeed()


def test_migrations_do_not_go_through_the_pooler(
    full: Project, postgres: Databases, tmp_path: Path
) -> None:
    with pooler(postgres.create(), tmp_path, free_port()) as url:
        only = {"DATABASE_URL": url, "DATABASE_POOLER": "transaction", **KEY}
        for command in (("upgrade",), ("downgrade", "base")):
            found = run(full, "db", *command, **only)
            assert found.code == 1
            assert "MIGRATION_DATABASE_URL" in found.output
        # What only reads may.
        assert "(none)" in run(full, "db", "current", **only).output
