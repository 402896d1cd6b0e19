"""`app secrets rotate`: keys change while the service runs, nothing is lost, and the doctor sees how far it is."""

import asyncio
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.databases import connect, execute
from tests.integration.cli.conftest import Run
from tests.stored_secrets import NEW, OLD, fill, stored

APP = [sys.executable, "-c", "from app.cli import run; run()", "secrets"]


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
            connected = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()"
            while await connection.fetchval(connected) > 1:
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
