"""`app secrets`, as it is typed, on a database of the test's own: values never show, and keys change without a loss."""

import io
import sys

import pytest
from pydantic import SecretStr

from app.core.config.secrets import parse_keys
from tests.databases import execute
from tests.integration.cli.conftest import Result, Run
from tests.stored_secrets import NEW, OLD, fill, stored

VALUE = "Planted Value of 7 Words, and Unmistakable"


@pytest.fixture
def app_secrets(on_migrated: str, app_command: Run, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run `app secrets` with one key."""
    monkeypatch.setenv("SECRETS_KEYS", OLD)

    def command(*arguments: str, stdin: bytes = b"") -> Result:
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin)))
        return app_command("secrets", *arguments)

    return command


def test_secrets_set_list_and_delete(app_secrets: Run, scratch_url: str) -> None:
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

    assert app_secrets("delete", "openai", "--org", "org-0").code == 0
    again = app_secrets("delete", "openai", "--org", "org-0")
    assert (again.code, again.err.partition("\n")[0]) == (1, "error: API key openai does not exist.")


@pytest.mark.parametrize("value", [b"", b"\n", b"x" * 20_000, b"\xff\xfe"])
def test_secrets_set_refuses_a_value_that_cannot_be_kept(value: bytes, app_secrets: Run) -> None:
    answer = app_secrets("set", "openai", "--org", "acme", stdin=value)
    assert (answer.code, answer.out) == (1, "")
    assert answer.err.startswith("error: An API key ")
    assert app_secrets("list").out == ""


def test_secrets_without_keys_or_tables_names_the_next_step(
    app_secrets: Run, scratch_url: str, head: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    execute(scratch_url, "TRUNCATE alembic_version")
    answer = app_secrets("list")
    assert (answer.code, "app db upgrade" in answer.err) == (1, True)

    execute(scratch_url, f"INSERT INTO alembic_version VALUES ('{head}')")
    monkeypatch.delenv("SECRETS_KEYS")
    for arguments in (("set", "openai", "--org", "acme"), ("rotate",)):
        answer = app_secrets(*arguments, stdin=b"v")
        assert (answer.code, "app secrets keygen" in answer.err) == (1, True)


def test_secrets_keygen_prints_a_key_and_nothing_else(app_command: Run) -> None:
    answer = app_command("secrets", "keygen")
    assert answer.code == 0
    assert len(parse_keys(SecretStr(answer.out.strip()))) == 1


def test_secrets_rotate_says_what_it_did_and_names_what_it_cannot_decrypt(
    app_secrets: Run, scratch_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(scratch_url, 4)
    execute(
        scratch_url,
        "UPDATE secrets SET envelope = set_byte(envelope, 30, get_byte(envelope, 30) # 1) WHERE path LIKE '%org-2/%'",
    )
    monkeypatch.setenv("SECRETS_KEYS", f"{NEW},{OLD}")
    answer = app_secrets("rotate")
    assert (answer.code, answer.out) == (1, "re-encrypted 3 with new\n")
    assert "/organizations/org-2/openai_api_key: A stored secret was altered" in answer.err
    assert "org-1" not in answer.err
    assert "1 secrets are still under other keys" in answer.err
    assert stored(scratch_url, NEW, number=2) == ["value 0", "value 1"]
    assert app_secrets("delete", "openai", "--org", "org-2").code == 0
    assert app_secrets("rotate") == Result(0, "re-encrypted 0 with new\n", "")
