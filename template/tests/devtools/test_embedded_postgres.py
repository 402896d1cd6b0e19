"""The embedded server's life: shared, kept with its data, gone with its last user."""

import os
import signal
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from devtools.embedded_postgres import EmbeddedServer, embedded_postgres
from devtools.embedded_postgres.programs import server_identity
from tests.devtools.embedded_servers import (
    LINUX,
    client,
    ended,
    home,
    keep,
    kept,
    processes,
    query,
    socket_folder_of,
)


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


def test_embedded_postgres_admits_the_current_user_alone(data_folder: Path) -> None:
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
