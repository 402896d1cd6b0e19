"""`app dev` and `app serve`: what they refuse, and the file that the first command writes."""

import socket
import stat
from pathlib import Path

import pytest

from tests.environments import production
from tests.integration.cli.conftest import Run
from tests.integration.core.listeners import closed_port


def test_serve_waits_for_migrations(on_empty: str, app_command: Run) -> None:
    with closed_port() as port:
        pass
    result = app_command("serve", "--port", str(port))

    assert result.code == 1
    assert "The database is at revision (none)" in result.err


@pytest.mark.parametrize("command", ["serve", "dev"])
def test_serve_and_dev_name_an_address_that_cannot_be_had(command: str, on_migrated: str, app_command: Run) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        taken = server.getsockname()[1]
        for host, port in (("127.0.0.1", taken), ("192.0.2.1", 8000), ("no-such-host.invalid", 8000)):
            result = app_command(command, "--host", host, "--port", str(port))
            assert result.code == 1
            assert f"Nothing can listen on {host}:{port} (" in result.err
            assert "--port" in result.err


def test_serve_without_a_database_names_the_ways_out(project: Path, app_command: Run) -> None:
    result = app_command("serve")

    assert result.code == 1
    assert "No database is configured." in result.err
    assert "app dev" in result.err
    assert not (project / ".data").exists()


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
