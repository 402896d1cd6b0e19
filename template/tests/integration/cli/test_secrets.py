"""`app secrets`, as it is typed, on a database of the test's own."""

import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest
from pydantic import SecretStr

from app.core.config import load_settings
from app.core.config.secrets import parse_keys
from devtools.env_file import ensure_env_file
from tests.databases import execute
from tests.integration.cli.conftest import Result, Run
from tests.stored_secrets import OLD, stored

VALUE = "Planted Value of 7 Words, and Unmistakable"
APP = [sys.executable, "-c", "from app.cli import run; run()", "secrets"]


def test_a_key_is_set_from_standard_input_listed_and_deleted(app_secrets: Run, scratch_url: str) -> None:
    for line_end in (b"", b"\n", b"\r\n"):
        answer = app_secrets("set", "openai", "--org", "org-0", stdin=b"value 0" + line_end)
        assert answer == Result(0, "stored\n", "")
        assert stored(scratch_url, OLD, number=1) == ["value 0"]
    app_secrets("set", "openai", "--org", "acme", "--team", "red", stdin=VALUE.encode())

    everything = app_secrets("list")
    assert [line.split()[:2] for line in everything.out.splitlines()] == [
        ["/organizations/acme/teams/red/openai_api_key", "old"],
        ["/organizations/org-0/openai_api_key", "old"],
    ]
    assert VALUE not in everything.out + everything.err
    assert "org-0" not in app_secrets("list", "--org", "acme").out

    unasked = app_secrets("delete", "openai", "--org", "org-0")
    assert (unasked.code, "--yes" in unasked.err) == (1, True)
    assert app_secrets("delete", "openai", "--org", "org-0", "--yes").code == 0
    again = app_secrets("delete", "openai", "--org", "org-0", "--yes")
    assert (again.code, again.err.partition("\n")[0]) == (1, "error: API key openai does not exist.")


@pytest.mark.parametrize("value", [b"", b"\n", b"x" * 20_000, b"\xff\xfe"])
def test_a_value_that_cannot_be_kept_is_refused(value: bytes, app_secrets: Run) -> None:
    answer = app_secrets("set", "openai", "--org", "acme", stdin=value)
    assert (answer.code, answer.out) == (1, "")
    assert answer.err.startswith("error: An API key ")
    assert app_secrets("list").out == ""


def test_without_keys_the_next_step_is_said(app_secrets: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SECRETS_KEYS")
    for arguments in (("set", "openai", "--org", "acme"), ("rotate",)):
        answer = app_secrets(*arguments, stdin=b"v")
        assert (answer.code, "app secrets keygen" in answer.err) == (1, True)


def test_a_database_that_is_not_migrated_has_a_next_step(app_secrets: Run, scratch_url: str) -> None:
    execute(scratch_url, "TRUNCATE alembic_version")
    answer = app_secrets("list")
    assert (answer.code, "app db upgrade" in answer.err) == (1, True)


def test_a_generated_key_is_alone_on_standard_output(app_secrets: Run) -> None:
    answer = app_secrets("keygen", "--id", "k7")
    (key,) = parse_keys(SecretStr(answer.out.strip()))
    assert (answer.code, key.id) == (0, "k7")
    assert answer.out.strip().split(":")[1] not in answer.err
    refused = app_secrets("keygen", "--id", "Not An Id")
    assert (refused.code, refused.out) == (1, "")


@pytest.mark.process
def test_the_prompt_does_not_show_what_is_typed(app_secrets: Run, project: Path, scratch_url: str) -> None:
    """On a real terminal, for which a process of its own is needed."""
    ours, theirs = pty.openpty()
    command = [*APP, "set", "openai", "--org", "org-0"]
    process = subprocess.Popen(
        command,
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        cwd=project,
        env={**os.environ, "PROMPT_TOOLKIT_NO_CPR": "1", "TERM": "xterm"},
        start_new_session=True,
    )
    os.close(theirs)
    shown = b""
    try:
        while b"Key:" not in shown:
            shown += os.read(ours, 4096)
        os.write(ours, VALUE.encode() + b"\r")
        while b"stored" not in shown:
            shown += os.read(ours, 4096)
        assert process.wait(timeout=30) == 0
    finally:
        process.kill()
        process.wait()
        os.close(ours)
    assert VALUE.encode() not in shown
    assert VALUE[:7].encode() not in shown
    assert stored(scratch_url, OLD, number=1) == [VALUE]


def test_the_first_command_makes_a_key_for_development(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SECRET_KEY")
    assert ensure_env_file(project)
    assert len(load_settings().secrets.key_materials) == 1
