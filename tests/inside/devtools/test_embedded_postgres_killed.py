"""The embedded server when something is killed: nothing is left running or lost, and the next start succeeds."""

import os
import shutil
import signal
import subprocess
import threading
from pathlib import Path

import pytest

from devtools.embedded_postgres import EmbeddedPostgresError, embedded_postgres
from devtools.embedded_postgres.programs import server_identity
from tests.devtools.embedded_servers import (
    LINUX,
    client,
    ended,
    home,
    in_use,
    keep,
    kept,
    processes,
    query,
    socket_folder_of,
    wait_for,
)

pytestmark = pytest.mark.process


def test_a_killed_client_leaves_nothing(data_folder: Path) -> None:
    with client(data_folder) as only:
        socket_folder = socket_folder_of(only)
        running = processes(data_folder)
        only.kill()
        wait_for(lambda: all(ended(pid) for pid in running))
        wait_for(lambda: not socket_folder.exists())


def test_a_killed_keeper_takes_the_server_with_it(data_folder: Path) -> None:
    with embedded_postgres(data_folder, durable=False) as server:
        keep(server, 44)
        postmaster, keeper = processes(data_folder)
        os.kill(keeper, signal.SIGKILL)
        if LINUX:
            wait_for(lambda: ended(postmaster))
    assert ended(postmaster)
    assert not server.socket_folder.exists()
    assert kept(data_folder) == 44


def test_a_killed_server_ends_its_keeper_and_is_recovered(data_folder: Path) -> None:
    with embedded_postgres(data_folder) as server:
        keep(server, 45)
        query(server, "CHECKPOINT")
        postmaster, keeper = processes(data_folder)
        os.kill(postmaster, signal.SIGKILL)
        wait_for(lambda: ended(keeper))
        assert not server.socket_folder.exists()
        # The first client is still there; the next one gets a new server at once.
        assert kept(data_folder) == 45


def test_a_server_that_has_just_been_killed_is_not_joined(data_folder: Path) -> None:
    with embedded_postgres(data_folder) as server:
        keep(server, 48)
        query(server, "CHECKPOINT")
        postmaster, keeper = processes(data_folder)
        os.kill(keeper, signal.SIGSTOP)  # too slow to take its announcement back
        os.kill(postmaster, signal.SIGKILL)
        wake = threading.Timer(0.2, os.kill, (keeper, signal.SIGCONT))
        wake.start()
        assert kept(data_folder) == 48
        wake.join()


def test_server_and_keeper_killed_together(data_folder: Path) -> None:
    with embedded_postgres(data_folder) as server:
        keep(server, 46)
        query(server, "CHECKPOINT")
        for pid in processes(data_folder):
            os.kill(pid, signal.SIGKILL)
    assert not server.socket_folder.exists()
    assert kept(data_folder) == 46


def test_the_server_outlives_the_client_that_started_it(data_folder: Path) -> None:
    with client(data_folder) as first:
        socket_folder = socket_folder_of(first)
        with embedded_postgres(data_folder) as server:
            assert server.socket_folder == socket_folder
            os.killpg(first.pid, signal.SIGINT)  # Ctrl-C in the first one's terminal
            first.wait(timeout=10)
            assert query(server, "SELECT count(*) FROM kept") == 1
            running = processes(data_folder)
    # They let go of their locks a moment before they are gone.
    wait_for(lambda: all(ended(pid) for pid in running))


def test_a_starter_that_was_killed_is_no_ones_loss(tmp_path: Path) -> None:
    with client(tmp_path / "new") as first, client(tmp_path / "new") as second:
        wait_for(lambda: any(tmp_path.glob("new/*/data/postmaster.pid")), seconds=20)
        first.kill()
        assert socket_folder_of(second).is_dir()
        running = processes(tmp_path / "new")
    wait_for(lambda: all(ended(pid) for pid in running))


def test_a_server_of_another_program_is_left_alone(data_folder: Path) -> None:
    data = home(data_folder) / "data"
    identity = server_identity()
    user = identity.uid
    with subprocess.Popen(["/bin/sh", "-c", "read line", "postgres"], user=user, stdin=subprocess.PIPE) as other:
        (data / "postmaster.pid").write_text(f"{other.pid}\n")
        with pytest.raises(EmbeddedPostgresError, match=str(other.pid)), embedded_postgres(data_folder):
            pass
        assert other.poll() is None
        other.kill()
    assert kept(data_folder) is not None


def test_files_left_by_a_reboot_are_ignored(data_folder: Path, tmp_path: Path) -> None:
    identity = server_identity()
    old_folder = tmp_path / "embedded-postgres-old"
    old_folder.mkdir()
    (home(data_folder) / "server.state").write_text(str(old_folder))
    # The recorded PID is another program's by now, and PostgreSQL alone would refuse to start.
    with subprocess.Popen(["/bin/sleep", "60"], user=identity.uid, extra_groups=None) as foreign:
        (home(data_folder) / "data" / "postmaster.pid").write_text(
            f"{foreign.pid}\n{data_folder}\n1\n5432\n/tmp\n\n\nready\n"
        )
        try:
            assert kept(data_folder) is not None
            assert foreign.poll() is None
        finally:
            foreign.kill()
    assert not old_folder.exists()


def test_a_killed_creation_leaves_nothing_half_done(tmp_path: Path) -> None:
    with client(tmp_path / "new") as only:
        wait_for(lambda: any(tmp_path.glob("new/*/data.new-*/base/1")), seconds=20)
        only.kill()
        only.wait()
    assert not any(tmp_path.glob("new/*/data"))
    wait_for(lambda: not in_use(tmp_path))
    with embedded_postgres(tmp_path / "new", durable=False) as server:
        assert query(server, "SELECT 1") == 1
        assert not any(tmp_path.glob("new/*/data.new-*"))
        # And the folder may go while the server runs, which then ends like any other.
        running = processes(tmp_path / "new")
        shutil.rmtree(tmp_path / "new")
    wait_for(lambda: all(ended(pid) for pid in running) and not server.socket_folder.exists())
