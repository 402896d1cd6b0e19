"""`app serve`, `app dev` and `app worker`: what they refuse, and the first command's file."""

import socket
import stat
from pathlib import Path

import pytest

from tests.environments import production
from tests.integration.cli.conftest import Run


@pytest.mark.parametrize("command", ["serve", "worker"])
def test_serve_and_worker_wait_for_migrations_and_name_what_is_missing(
    command: str, project: Path, on_empty: str, app_command: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    pending = app_command(command)
    monkeypatch.delenv("DATABASE_URL")
    missing = app_command(command)

    assert (pending.code, missing.code) == (1, 1)
    assert "The database is at revision (none)" in pending.err
    assert "app db upgrade" in pending.err
    assert "No database is configured." in missing.err
    assert "app dev" in missing.err
    assert not (project / ".data").exists()


@pytest.mark.parametrize("command", ["serve", "dev"])
def test_serve_and_dev_name_an_address_that_cannot_be_had(command: str, on_migrated: str, app_command: Run) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        taken = server.getsockname()[1]
        for host, port in (("127.0.0.1", taken), ("192.0.2.1", 8000), ("no-such-host.invalid", 8000)):
            result = app_command(command, "--host", host, "--port", str(port))
            assert result.code == 1
            assert f"Nothing can listen on {host}:{port} (" in result.err
            assert "--port" in result.err


def test_dev_is_refused_in_production(project: Path, app_command: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    production(monkeypatch)

    result = app_command("dev")

    assert result.code == 1
    assert "`app dev` is for development, and ENVIRONMENT is production." in result.err
    assert not (project / ".env").exists()


def test_the_first_command_writes_a_key_for_its_owner_alone(
    project: Path, on_migrated: str, app_command: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert app_command("db", "current").code == 0
    assert not (project / ".env").exists()
    monkeypatch.delenv("SECRET_KEY")

    first = app_command("db", "current")
    content = (project / ".env").read_text()
    second = app_command("db", "current")

    assert (first.code, second.code) == (0, 0)
    assert "wrote .env" in first.err
    assert second.err == ""
    assert (project / ".env").read_text() == content
    assert stat.S_IMODE((project / ".env").stat().st_mode) == 0o600
    key = content.partition("SECRET_KEY=")[2].splitlines()[0]
    assert len(key) >= 32
    assert key not in first.out + first.err
