"""The README's commands are run, word by word."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import time
import urllib.request
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.checkout import ROOT
from tests.readme import Machine, fenced_blocks, machine

# Packages are downloaded in it when the caches are cold.
FIRST_START_SECONDS = 240
START_SECONDS = 30
STOP_SECONDS = 15
# A worker starts beside the server.
MAIL_SECONDS = 60


def ask(computer: Machine, method: str, path: str, body: object = None) -> Any:
    """Return what the API answers, decoded; None for an empty answer.

    Raises:
        urllib.error.HTTPError: It answered with an error.
    """
    request = urllib.request.Request(
        f"http://127.0.0.1:{computer.port}/api/v1{path}",
        method=method,
        data=None if body is None else json.dumps(body).encode(),
        headers={"Content-Type": "application/json", "Authorization": f"Bearer {computer.token}"},
    )
    with urllib.request.urlopen(request, timeout=10) as answer:
        content = answer.read()
    return json.loads(content) if content else None


def log_in(computer: Machine) -> None:
    """Register, open the link in the mailbox, and keep the access token for what is asked next."""
    person = {"email": "ada@example.com", "password": "correct horse battery staple"}
    ask(computer, "POST", "/auth/register", person)
    token = None
    give_up = time.monotonic() + MAIL_SECONDS
    while token is None:
        assert time.monotonic() < give_up, "there is no mail"
        time.sleep(0.5)
        mailbox = f"http://127.0.0.1:{computer.port}/dev/mail"
        with urllib.request.urlopen(mailbox, timeout=10) as page:
            token = re.search(r"#token=([\w.-]+)", page.read().decode())
    ask(computer, "POST", "/auth/verify", {"token": token[1]})
    computer.token = ask(computer, "POST", "/auth/login", person)["access_token"]


@pytest.mark.e2e
def test_the_first_block_ends_in_a_server_that_keeps_its_data(tmp_path: Path) -> None:
    with machine(tmp_path, cold="ASHLAR_COLD" in os.environ) as computer:
        first = computer.type(fenced_blocks()[0])
        computer.wait_until_ready(first, seconds=FIRST_START_SECONDS)

        log_in(computer)
        chair = ask(computer, "POST", "/items", {"sku": "CHAIR-1", "name": "Garden chair"})
        ask(
            computer,
            "POST",
            "/items",
            {"sku": "TABLE-1", "name": "Kitchen table", "tags": ["wood"]},
        )
        assert ask(computer, "GET", f"/items/{chair['id']}")["name"] == "Garden chair"
        assert [each["sku"] for each in ask(computer, "GET", "/items?tag=wood")["items"]] == [
            "TABLE-1"
        ]
        found = ask(computer, "GET", "/items?search=garden")["items"]
        assert [each["sku"] for each in found] == ["CHAIR-1"]
        change = {"version": chair["version"], "name": "Garden chair, green"}
        ask(computer, "PATCH", f"/items/{chair['id']}", change)

        first.sendintr()
        computer.must_become_quiet(seconds=STOP_SECONDS)

        project = computer.folder / "my-service"
        again = computer.type("uv run app dev", folder=project)
        computer.wait_until_ready(again, seconds=START_SECONDS)
        assert ask(computer, "GET", f"/items/{chair['id']}")["name"] == "Garden chair, green"
        assert ask(computer, "DELETE", f"/items/{chair['id']}") is None
        assert len(ask(computer, "GET", "/items")["items"]) == 1

        command = next(
            process
            for process in psutil.Process(again.pid).children(recursive=True)
            if process.cmdline()[-2:-1] and process.cmdline()[-2].endswith("/bin/app")
        )
        command.send_signal(signal.SIGKILL)
        computer.must_become_quiet(seconds=STOP_SECONDS)


@pytest.mark.e2e
def test_the_project_can_be_updated_as_the_readme_says(tmp_path: Path) -> None:
    """The copy is by an absolute path, as an update needs it; a relative one cannot be updated."""
    copy = re.search(r"uvx copier copy [^&]+", fenced_blocks()[0])
    assert copy
    with machine(tmp_path) as computer:
        computer.install_uv()
        computer.run(copy.group())
        project = computer.folder / "my-service"
        computer.run("uv run app db upgrade", folder=project)
        computer.run("git init -q && git add -A && git commit -qm Rendered", folder=project)
        # The first version is what was copied; the next one says something else in its guide.
        computer.run("git tag 0.1.0 && echo Welcome. >> template/CONTRIBUTING.md")
        computer.run("git commit -qam 'The next version' && git tag 0.2.0")
        (block,) = [block for block in fenced_blocks() if "app update" in block]
        computer.run(block, folder=project)
        assert (project / "CONTRIBUTING.md").read_text().endswith("\nWelcome.\n")
        computer.run("git add -A && git commit -qm Updated", folder=project)
        computer.run(
            "uv run app update --data use_redis=true --data include_example=false",
            folder=project,
        )
        assert not (project / "src/app/services/items.py").exists()
        assert (project / "src/app/core/redis").is_dir()


def test_ci_runs_the_second_block_and_the_other_combinations(tmp_path: Path) -> None:
    """`.ci/run` takes it out of the README; stand-ins show what it would run and install."""
    programs = tmp_path / "programs"
    programs.mkdir()
    for name in ("uvx", "chromium", "pgbouncer"):
        program = programs / name
        program.write_text(f'#!/bin/sh\necho "{name} $*"\n')
        program.chmod(0o755)
    ran = subprocess.run(
        [ROOT / ".ci/run"],
        env={"PATH": f"{programs}:/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=True,
    )
    lanes = (
        "newer or others and not timescaledb",
        "promises or updates or others and timescaledb",
        "processes or outside",
    )
    commands = [fenced_blocks()[1], *(f"uvx nox --keywords {each}" for each in lanes)]
    expected = [line for command in commands for line in (f"+ {command}", command)]
    assert ran.stdout.splitlines() == expected
