"""The embedded server's life: shared, kept with its data, gone with its last user, whatever is killed."""

import asyncio
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path

import asyncpg
import pytest

from app.development.embedded_postgres import EmbeddedPostgresError, EmbeddedServer, embedded_postgres
from app.development.embedded_postgres.identity import server_identity
from app.development.embedded_postgres.processes import cluster_mark

LINUX = Path("/proc/self").is_dir()
CLIENT = """
import os, signal, sys, time
from pathlib import Path
from app.development.embedded_postgres import embedded_postgres
signal.signal(signal.SIGINT, signal.default_int_handler)  # ignored when the tests run in the background
with embedded_postgres(Path(sys.argv[1]), durable=False) as server:
    if "fork" in sys.argv and not os.fork():
        time.sleep(60)
        os._exit(0)
    print(server.socket_folder, flush=True)
    sys.stdin.read()
"""


@pytest.fixture(scope="module")
def data_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A stopped cluster with a row in it, in a path that is not plain ASCII and too long for a socket.

    Every test finds it stopped and leaves it so: creating one per test would cost most of the time.
    """
    folder = tmp_path_factory.mktemp("embedded") / "My Prôject 🐘 'x'" / ("long" * 30) / ".data"
    with embedded_postgres(folder, durable=False) as server:
        query(server, "CREATE TABLE kept (answer int)")
        query(server, "INSERT INTO kept VALUES (42)")
    return folder


def query(server: EmbeddedServer, statement: str, *values: object) -> object:
    async def run() -> object:
        connection = await asyncpg.connect(host=str(server.socket_folder), port=5432, user="postgres")
        try:
            return await connection.fetchval(statement, *values)
        finally:
            await connection.close()

    return asyncio.run(run())


def home(data_folder: Path) -> Path:
    (found,) = data_folder.glob("postgres-*")
    return found


def processes(data_folder: Path) -> tuple[int, int]:
    """The PIDs of the postmaster and of its keeper."""
    _, postmaster, keeper = (home(data_folder) / "server.state").read_text().splitlines()
    return int(postmaster), int(keeper)


def ended(pid: int) -> bool:
    """Whether a process is gone, or waits only for PID 1 to take notice."""
    if LINUX:
        try:
            return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
        except (FileNotFoundError, ProcessLookupError):
            return True
    shown = subprocess.run(["/bin/ps", "-o", "stat=", "-p", str(pid)], capture_output=True, text=True, check=False)
    return not shown.stdout.strip() or shown.stdout.startswith("Z")


def in_use(folder: Path) -> bool:
    """Whether a program of PostgreSQL has the folder open (Linux)."""
    for descriptor in Path("/proc").glob("[0-9]*/fd/*"):
        with suppress(OSError):
            if descriptor.readlink().is_relative_to(folder):
                return True
    return False


def wait_for(condition: Callable[[], bool], *, seconds: float = 5) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.005)


@contextmanager
def client(data_folder: Path, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    """Another process that uses the server until its input ends."""
    with subprocess.Popen(
        [sys.executable, "-c", CLIENT, data_folder, *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def socket_folder_of(process: subprocess.Popen[str]) -> Path:
    assert process.stdout is not None
    return Path(process.stdout.readline().strip())


def keep(server: EmbeddedServer, answer: int) -> None:
    query(server, "UPDATE kept SET answer = $1", answer)


def kept(data_folder: Path) -> object:
    with embedded_postgres(data_folder, durable=False) as server:
        return query(server, "SELECT answer FROM kept")


def test_data_survive_a_restart_and_nothing_runs_in_between(data_folder: Path) -> None:
    with embedded_postgres(data_folder) as server:
        keep(server, 43)
        running = processes(data_folder)
        assert server.url == server.database_url("postgres")
        assert str(server.major) in str(query(server, "SHOW server_version"))

    assert all(ended(pid) for pid in running)
    assert not server.socket_folder.exists()
    assert not (home(data_folder) / "server.state").exists()
    assert kept(data_folder) == 43


def test_nobody_else_can_connect(data_folder: Path) -> None:
    with embedded_postgres(data_folder) as server:
        assert query(server, "SHOW listen_addresses") == ""
        status = server.socket_folder.stat()
        assert (status.st_mode & 0o777, status.st_uid) == (0o700, server_identity().uid)
        assert server.socket_folder.name.startswith("embedded-postgres")


def test_the_address_works_whatever_the_environment_says(data_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {
        "PGDATA": "/nowhere",
        "PGPORT": "1",
        "PGHOST": "nowhere",
        "PGUSER": "me",
        "LC_ALL": "x",
    }.items():
        monkeypatch.setenv(name, value)
    with embedded_postgres(data_folder) as server:
        assert server.database_url("a b/c").startswith("postgresql+asyncpg://postgres@/a%20b%2Fc?host=/")
        assert "port=5432" in server.url
        assert query(server, "SELECT current_user") == "postgres"
        if LINUX:  # nor does the server learn what else is in it
            _, keeper = processes(data_folder)
            assert b"PG" not in Path(f"/proc/{keeper}/environ").read_bytes()


def test_a_relative_or_linked_folder_is_the_same_server(
    data_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "link").symlink_to(data_folder.parent)
    monkeypatch.chdir(data_folder.parent)
    with embedded_postgres(Path(".data")) as first, embedded_postgres(tmp_path / "link" / ".data") as second:
        assert first == second


def test_many_first_starters_share_one_server(tmp_path: Path) -> None:
    starters = 4
    together = threading.Barrier(starters)

    def start(_: int) -> EmbeddedServer:
        with embedded_postgres(tmp_path / "new", durable=False) as server:
            together.wait(timeout=30)
            return server

    with ThreadPoolExecutor(starters) as pool:
        servers = set(pool.map(start, range(starters)))
    assert len(servers) == 1
    assert not servers.pop().socket_folder.exists()


def test_the_server_outlives_the_client_that_started_it(data_folder: Path) -> None:
    with client(data_folder) as first:
        socket_folder = socket_folder_of(first)
        with embedded_postgres(data_folder) as server:
            assert server.socket_folder == socket_folder
            os.killpg(first.pid, signal.SIGINT)  # Ctrl-C in the first one's terminal
            first.wait(timeout=10)
            assert query(server, "SELECT count(*) FROM kept") == 1
            running = processes(data_folder)
    assert all(ended(pid) for pid in running)


def test_a_killed_client_leaves_nothing_although_a_forked_child_lives(data_folder: Path) -> None:
    with client(data_folder, "fork") as only:
        socket_folder = socket_folder_of(only)
        running = processes(data_folder)
        only.kill()
        try:
            wait_for(lambda: all(ended(pid) for pid in running))
            wait_for(lambda: not socket_folder.exists())
        finally:
            os.killpg(only.pid, signal.SIGKILL)


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
    async def kill_while_busy() -> None:
        connection = await asyncpg.connect(host=str(server.socket_folder), port=5432, user="postgres")
        many = "generate_series(1, 50000)"
        busy = asyncio.ensure_future(connection.fetchval(f"SELECT count(*) FROM {many} a, {many} b"))
        await asyncio.sleep(0.1)  # a backend that computes does not notice its postmaster's end
        os.kill(postmaster, signal.SIGKILL)
        with pytest.raises(asyncpg.PostgresConnectionError):
            await asyncio.wait_for(busy, timeout=5)

    with embedded_postgres(data_folder) as server:
        keep(server, 45)
        query(server, "CHECKPOINT")
        postmaster, keeper = processes(data_folder)
        asyncio.run(kill_while_busy())
        wait_for(lambda: ended(keeper))
        assert not server.socket_folder.exists()
        # The first client is still there; whoever comes gets a new server at once.
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


def test_an_orphaned_server_is_stopped_first(data_folder: Path) -> None:
    with embedded_postgres(data_folder) as server:
        keep(server, 47)
        mark = cluster_mark(home(data_folder) / "data")
    # What macOS is left with after its keeper was killed: a process with the cluster's mark.
    with subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)", mark]) as orphan:
        (home(data_folder) / "data" / "postmaster.pid").write_text(f"{orphan.pid}\n")
        assert kept(data_folder) == 47
        assert orphan.wait(timeout=10) != 0


@pytest.mark.skipif(not LINUX, reason="elsewhere nobody can tell where a process works")
def test_a_server_that_somebody_else_started_is_left_alone(data_folder: Path) -> None:
    data = home(data_folder) / "data"
    with subprocess.Popen([sys.executable, "-c", "input()", "postgres"], cwd=data, stdin=subprocess.PIPE) as other:
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
    (home(data_folder) / "server.state").write_text(f"{old_folder}\n1\n1\n")
    # The recorded PID is another program's by now, and PostgreSQL alone would refuse to start.
    with subprocess.Popen(
        ["/bin/sleep", "60"], user=identity.uid if identity.switched else None, extra_groups=None
    ) as foreign:
        (home(data_folder) / "data" / "postmaster.pid").write_text(f"{foreign.pid}\n{data_folder}\n1\n5432\n/tmp\n")
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
