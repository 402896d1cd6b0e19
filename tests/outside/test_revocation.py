"""Sessions that end in one process, and the time until another one refuses them: without Redis."""

from __future__ import annotations

import json
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.outside.serving import PERSON, Databases, Served, make_person, served
from tests.projects import Project

# AUTH_REVOCATION_SECONDS, and the time that a busy machine takes to ask.
WITHIN_SECONDS = 10 + 3


def call(server: Served, method: str, path: str, token: str, body: object = None) -> int:
    """Return the status of an answer."""
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
    data = None if body is None else json.dumps(body).encode()
    url = f"{server.url}/api/v1{path}"
    request = urllib.request.Request(url, data=data, headers=headers, method=method)
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            status: int = answer.status
    except urllib.error.HTTPError as answer:
        with answer:
            status = answer.code
    return status


def log_in(server: Served) -> str:
    """Return the access token of a new session."""
    request = urllib.request.Request(
        f"{server.url}/api/v1/auth/login",
        data=json.dumps(PERSON).encode(),
        headers={"Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=30) as answer:
        return str(json.load(answer)["access_token"])


@contextmanager
def two_processes(
    full: Project, database_url: str, folder: Path
) -> Iterator[tuple[Served, Served]]:
    """Serve the project twice on one database."""
    with served(full, database_url, folder / "first.log") as first:
        make_person(full, database_url)
        log = folder / "second.log"
        with served(full, database_url, log, migrate=False) as second:
            yield first, second


def log_out(server: Served, token: str) -> None:
    """End a session by its own token."""
    assert call(server, "POST", "/auth/logout", token) == 204


def change_password(server: Served, _: str) -> None:
    """End all sessions but a new one."""
    passwords = {
        "current_password": PERSON["password"],
        "new_password": "another horse, another battery",
    }
    assert call(server, "POST", "/auth/password", log_in(server), passwords) == 204


@pytest.mark.parametrize("end", [log_out, pytest.param(change_password, marks=pytest.mark.long)])
def test_a_session_that_ended_in_another_process_is_refused_in_time(
    end: Callable[[Served, str], None], full: Project, postgres: Databases, tmp_path: Path
) -> None:
    with two_processes(full, postgres.create(), tmp_path) as (first, second):
        token = log_in(first)
        # Both have just asked which sessions have ended.
        assert [call(server, "GET", "/items", token) for server in (first, second)] == [200, 200]

        end(first, token)
        ended = time.monotonic()
        assert call(first, "GET", "/items", token) == 401
        # Where credentials are made, the row is asked.
        assert call(second, "GET", "/users/me/api-keys", token) == 401

        while (status := call(second, "GET", "/items", token)) == 200:
            assert time.monotonic() - ended < WITHIN_SECONDS, "it is still accepted"
            time.sleep(0.1)
        assert status == 401


@pytest.mark.long
def test_a_user_who_is_disabled_is_refused_by_every_process_in_time(
    full: Project, postgres: Databases, tmp_path: Path
) -> None:
    database_url = postgres.create()
    with two_processes(full, database_url, tmp_path) as servers:
        token = log_in(servers[0])
        assert [call(server, "GET", "/items", token) for server in servers] == [200, 200]

        command = ("app", "users", "disable", PERSON["email"])
        full.tool(
            *command, DATABASE_URL=database_url, SECRET_KEY="outside-" + "0123456789abcdef" * 2
        ).must_succeed()
        time.sleep(WITHIN_SECONDS)

        assert [call(server, "GET", "/items", token) for server in servers] == [401, 401]
