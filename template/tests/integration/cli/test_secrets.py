"""`app secrets`, as it is typed, on a database of the test's own."""

import asyncio
import io
import os
import pty
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from pydantic import SecretStr
from sqlalchemy.engine import make_url

from app.core.config import IntegrationsSettings, SecretsSettings, load_settings
from app.core.config.secret_keys import new_key, parse_keys
from app.core.database import Database
from app.core.secrets import make_secrets_service
from app.core.uow import atomic
from app.development.env_file import ensure_env_file
from tests.factories import make_settings
from tests.integration.cli.conftest import Result, Run

OLD, NEW = (new_key(key_id).get_secret_value() for key_id in ("old", "new"))
VALUE = "Planted Value of 7 Words, and Unmistakable"
APP = [sys.executable, "-c", "from app.cli import run; run()", "secrets"]


@pytest.fixture
def app_secrets(on_migrated: str, app_command: Run, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run `app secrets` with one key."""
    monkeypatch.setenv("SECRETS_KEYS", OLD)

    def command(*arguments: str, stdin: bytes = b"") -> Result:
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin)))
        return app_command("secrets", *arguments)

    return command


async def connect(url: str) -> asyncpg.Connection:
    address = make_url(url)
    return await asyncpg.connect(
        host=address.host or address.query["host"],
        port=int(address.port or str(address.query.get("port", 5432))),
        user=address.username,
        password=address.password,
        database=address.database,
    )


def execute(url: str, statement: str) -> list[Any]:
    async def work() -> list[Any]:
        connection = await connect(url)
        try:
            return list(await connection.fetch(statement))
        finally:
            await connection.close()

    return asyncio.run(work())


def fill(url: str, number: int) -> None:
    """Keys of many organisations, under the old key."""

    async def work() -> None:
        database = Database(make_settings(database_url=url).database)
        service = make_secrets_service(SecretsSettings(keys=SecretStr(OLD)), IntegrationsSettings())
        async with database.session() as session, atomic(session):
            for index in range(number):
                await service.set_api_key(session, f"org-{index}", "openai", SecretStr(f"value {index}"))
        await database.close()

    asyncio.run(work())


def stored(url: str, *keys: str, number: int) -> list[str]:
    async def work() -> list[str]:
        database = Database(make_settings(database_url=url).database)
        service = make_secrets_service(SecretsSettings(keys=SecretStr(",".join(keys))), IntegrationsSettings())
        async with database.read_session() as session:
            found = [
                (await service.get_api_key(session, f"org-{index}", "openai")).get_secret_value()
                for index in range(number)
            ]
        await database.close()
        return found

    return asyncio.run(work())


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
    assert (again.code, again.err) == (1, "error: API key openai does not exist.\n")


def test_a_long_list_comes_whole(app_secrets: Run, scratch_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(scratch_url, 7)
    monkeypatch.setattr("app.cli.secrets._PAGE", 3)
    assert len(app_secrets("list").out.splitlines()) == 7
    assert len(app_secrets("list", "--org", "org-3").out.splitlines()) == 1


def test_a_value_is_no_argument(app_secrets: Run) -> None:
    answer = app_secrets("set", "openai", VALUE, "--org", "acme")
    assert answer.code == 2
    assert app_secrets("list").out == ""


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


def test_a_rotation_says_how_much_it_did_and_can_be_repeated(
    app_secrets: Run, scratch_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(scratch_url, 25)
    monkeypatch.setenv("SECRETS_KEYS", f"{NEW},{OLD}")
    answer = app_secrets("rotate", "--batch-size", "10")
    assert (answer.code, answer.out) == (0, "re-encrypted 25 with new\n")
    assert app_secrets("rotate").out == "re-encrypted 0 with new\n"
    assert stored(scratch_url, NEW, number=25) == [f"value {index}" for index in range(25)]


def test_a_rotation_names_what_it_cannot_decrypt_and_fails(
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
    assert execute(scratch_url, "SELECT path FROM secrets WHERE key_id = 'old'") == [
        ("/organizations/org-2/openai_api_key",)
    ]


@pytest.mark.process
def test_a_rotation_that_is_killed_loses_nothing_and_is_resumed(
    app_secrets: Run, project: Path, scratch_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Killed with a batch read and not yet written: a lock holds the statement up for as long as it takes."""
    number = 300
    fill(scratch_url, number)
    monkeypatch.setenv("SECRETS_KEYS", f"{NEW},{OLD}")
    monkeypatch.setenv("DATABASE_LOCK_TIMEOUT_SECONDS", "60")
    arguments = [*APP, "rotate", "--batch-size", "2"]

    async def kill_in_the_middle() -> dict[str, int]:
        connection = await connect(scratch_url)
        process = await asyncio.create_subprocess_exec(*arguments, cwd=project, stdout=subprocess.DEVNULL)
        try:
            deadline = time.monotonic() + 60
            while not await connection.fetchval("SELECT count(*) FROM secrets WHERE key_id = 'new'"):
                assert time.monotonic() < deadline
                await asyncio.sleep(0.002)
            async with connection.transaction():
                # Conflicts with the lock of an UPDATE, not with that of the SELECT … FOR UPDATE before it.
                await connection.execute("LOCK TABLE secrets IN SHARE MODE")
                waiting = "SELECT count(*) FROM pg_locks WHERE NOT granted AND relation = 'secrets'::regclass"
                while not await connection.fetchval(waiting):
                    assert time.monotonic() < deadline
                    assert process.returncode is None
                    await asyncio.sleep(0.002)
                process.send_signal(signal.SIGKILL)
                assert await process.wait() == -signal.SIGKILL
            # The server notices that its client is dead when it answers it.
            connected = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'app secrets'"
            while await connection.fetchval(connected):
                assert time.monotonic() < deadline
            return dict(await connection.fetch("SELECT key_id, count(*) FROM secrets GROUP BY key_id"))
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
            await connection.close()

    counts = asyncio.run(kill_in_the_middle())
    assert counts["old"] > 0 < counts["new"]
    assert counts["old"] + counts["new"] == number
    expected = [f"value {index}" for index in range(number)]
    assert stored(scratch_url, NEW, OLD, number=number) == expected

    resumed = app_secrets("rotate")
    assert (resumed.code, resumed.out) == (0, f"re-encrypted {counts['old']} with new\n")
    assert stored(scratch_url, NEW, number=number) == expected


@pytest.mark.parametrize(
    ("keys", "line"),
    [
        (OLD, "ok      secrets: 3 stored, all under old"),
        (f"{OLD},{NEW}", "ok      secrets: 3 stored, all under old"),
        (f"{NEW},{OLD}", "warning secrets: 3 under other keys than the first, new"),
        (NEW, "failed  secrets: 3 cannot be read: SECRETS_KEYS lacks old"),
        ("", "failed  secrets: 3 cannot be read: SECRETS_KEYS lacks old"),
    ],
    ids=["one key", "a key to come", "a rotation to come", "a key lost", "no keys"],
)
def test_the_doctor_sees_whether_every_key_in_use_is_there(
    keys: str, line: str, on_migrated: str, app_command: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(on_migrated, 3)
    monkeypatch.setenv("SECRETS_KEYS", keys)
    answer = app_command("doctor")
    assert line in answer.out.splitlines()
    assert answer.code == line.startswith("failed")
    assert not any(key.split(":")[1] in answer.out + answer.err for key in (OLD, NEW))


def test_the_doctor_needs_no_keys_where_nothing_is_stored(on_migrated: str, app_command: Run) -> None:
    assert "ok      secrets: none stored; storing one needs SECRETS_KEYS" in app_command("doctor").out


def test_the_first_command_makes_a_key_for_development(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SECRET_KEY")
    assert ensure_env_file(project)
    assert len(load_settings().secrets.key_materials) == 1
