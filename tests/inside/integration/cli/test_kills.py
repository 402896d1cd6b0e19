"""`app` commands that are killed: nothing is lost, and nothing of theirs is left."""

import asyncio
import signal
import socket
import subprocess
import time
from pathlib import Path

import pytest

from tests.databases import connect
from tests.integration.cli.conftest import CONSOLE, Run
from tests.integration.cli.servers import LIMIT_SECONDS, get, kill_all, processes, start, until
from tests.stored_secrets import NEW, OLD, fill, stored


@pytest.mark.parametrize("command", [("serve", "--workers", "2"), ("dev",)], ids=["serve", "dev"])
def test_serve_and_dev_end_with_a_supervisor_that_was_killed(
    command: tuple[str, ...], on_migrated: str, project: Path
) -> None:
    process, port = start(project, *command)
    try:
        until(lambda: get(port, "/api/v1/health/ready"))
        process.kill()
        # Ends when the last of them has closed it.
        process.communicate(timeout=LIMIT_SECONDS)
        until(lambda: not processes(project))
        with socket.create_server(("127.0.0.1", port)):
            pass
    finally:
        kill_all(project)


def test_secrets_rotate_that_is_killed_loses_nothing_and_is_resumed(
    on_migrated: str, app_command: Run, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Killed with a batch read and not yet written: a lock holds the statement up for as long as it takes."""
    number = 1000
    fill(on_migrated, number)
    monkeypatch.setenv("SECRETS_KEYS", f"{NEW},{OLD}")
    monkeypatch.setenv("DATABASE_LOCK_TIMEOUT_SECONDS", "60")
    arguments = [*CONSOLE, "secrets", "rotate"]

    async def kill_in_the_middle() -> dict[str, int]:
        connection = await connect(on_migrated)
        process = await asyncio.create_subprocess_exec(*arguments, cwd=project, stdout=subprocess.DEVNULL)
        deadline = time.monotonic() + 60

        async def until(query: str) -> None:
            while not await connection.fetchval(query):
                assert time.monotonic() < deadline
                await asyncio.sleep(0.002)

        try:
            await until("SELECT count(*) FROM secrets WHERE key_id = 'new'")
            async with connection.transaction():
                # Conflicts with the lock of an UPDATE, not with that of the SELECT … FOR UPDATE before it.
                await connection.execute("LOCK TABLE secrets IN SHARE MODE")
                await until("SELECT count(*) FROM pg_locks WHERE NOT granted AND relation = 'secrets'::regclass")
                process.send_signal(signal.SIGKILL)
                assert await process.wait() == -signal.SIGKILL
            # The server notices that its client is dead when it answers it.
            await until("SELECT count(*) = 1 FROM pg_stat_activity WHERE datname = current_database()")
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
    assert stored(on_migrated, NEW, OLD, number=number) == expected

    resumed = app_command("secrets", "rotate")
    assert (resumed.code, resumed.out) == (0, f"re-encrypted {counts['old']} with new\n")
    assert stored(on_migrated, NEW, number=number) == expected
