"""The messages of commands about what is wrong: the cause, the next step, no secret, and an exit code."""

import os
import secrets
import socket
import stat
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

import pytest
from sqlalchemy.engine import make_url

from app.core.config import ApplicationSettings
from app.core.exceptions import ConfigurationError
from app.core.health import Health, HealthCheck
from app.core.process import open_process
from devtools.env_file import ensure_env_file
from tests.environments import production
from tests.integration.cli.conftest import Run
from tests.integration.core.listeners import closed_port


def services_with(checks: list[HealthCheck]) -> Callable[..., AbstractAsyncContextManager[None]]:
    """Return the application's services, with these checks alone."""

    @asynccontextmanager
    async def open_services(_: ApplicationSettings) -> AsyncIterator[None]:
        async with open_process() as process:
            process.add(Health(checks))
            yield

    return open_services


def test_without_a_command_there_is_help(app_command: Run) -> None:
    result = app_command()

    assert result.code == 2
    assert all(name in result.out for name in ("dev", "serve", "db", "doctor"))


def test_the_doctor_finds_nothing_wrong(on_migrated: str, app_command: Run) -> None:
    result = app_command("doctor")

    assert result.code == 0, result.out
    settings, database, migrations, secrets = result.out.splitlines()
    assert settings == "ok      settings: development, all valid"
    assert database.startswith("ok      database: PostgreSQL ")
    assert migrations == "ok      migrations: all applied"
    assert secrets.startswith("ok      secrets: ")


def test_the_doctor_asks_every_part_that_the_application_has(
    on_migrated: str, app_command: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def works() -> None:
        """Answers."""

    async def fails() -> None:
        raise OSError("no route to https://me:Xq7planted@elsewhere.example")

    async def refuses() -> None:
        raise ConfigurationError("It is switched off.", next_step="Switch it on.")

    checks = [HealthCheck("one", works), HealthCheck("two", fails, required=False), HealthCheck("three", refuses)]
    monkeypatch.setattr("app.wiring.open_services", services_with(checks))

    result = app_command("doctor")

    assert result.code == 1
    assert result.out.splitlines()[4:] == [
        "ok      one: works",
        "warning two: does not work (OSError: no route to https://[redacted]@elsewhere.example)",
        "        next: Look for the cause in the service's log, or report it.",
        "failed  three: It is switched off.",
        "        next: Switch it on.",
    ]


def test_the_doctor_finds_pending_migrations(on_empty: str, app_command: Run) -> None:
    result = app_command("doctor")

    assert result.code == 1
    assert "failed  migrations: The database is at revision (none)" in result.out
    assert "next: Apply the pending migrations with `app db upgrade`." in result.out


def test_the_doctor_finds_wrong_settings(project: Path, app_command: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("API_PORT", "Xq7planted")

    result = app_command("doctor")

    assert result.code == 1
    assert result.out.startswith("failed  settings: 1 setting is wrong:\n  API_PORT ")
    assert "planted" not in result.out


def test_the_doctor_finds_a_likely_typo(on_migrated: str, app_command: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_POOLSIZE", "Xq7planted")

    result = app_command("doctor")

    assert result.code == 0
    assert "warning environment: DATABASE_POOLSIZE is no setting; did you mean DATABASE_POOL_SIZE?" in result.out
    assert "planted" not in result.out


def test_the_doctor_finds_a_pool_that_the_server_cannot_fill(
    on_migrated: str, app_command: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("API_WORKERS", "256")

    result = app_command("doctor")

    assert result.code == 0
    assert "warning database: " in result.out
    assert "this service may open 5376" in result.out
    assert "max_connections" in result.out


COMMANDS = [("doctor",), ("db", "upgrade"), ("db", "check"), ("db", "revision", "-m", "x"), ("serve",), ("dev",)]


def test_a_database_that_is_not_there_is_explained(
    on_migrated: str, app_command: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = make_url(on_migrated).set(database="no_such_database")
    monkeypatch.setenv("DATABASE_URL", url.render_as_string(hide_password=False))

    for command in (("db", "upgrade"), ("doctor",)):
        result = app_command(*command)
        assert result.code == 1
        assert "has no database of that name" in result.out + result.err
        assert "next: " in result.out + result.err


def test_serving_waits_for_migrations(on_empty: str, app_command: Run) -> None:
    with closed_port() as port:
        pass
    result = app_command("serve", "--port", str(port))

    assert result.code == 1
    assert "The database is at revision (none)" in result.err
    assert "app db upgrade" in result.err


@pytest.mark.parametrize("command", ["serve", "dev"])
def test_a_busy_port_is_a_sentence(command: str, on_migrated: str, app_command: Run) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        result = app_command(command, "--port", str(port))

    assert result.code == 1
    assert f"Nothing can listen on 127.0.0.1:{port}" in result.err
    assert "--port" in result.err


def test_an_address_of_another_machine_is_a_sentence(on_migrated: str, app_command: Run) -> None:
    for host in ("192.0.2.1", "no-such-host.invalid"):
        result = app_command("serve", "--host", host)
        assert result.code == 1
        assert f"Nothing can listen on {host}:8000" in result.err


def test_serving_without_a_database_names_the_ways_out(project: Path, app_command: Run) -> None:
    result = app_command("serve")

    assert result.code == 1
    assert "No database is configured." in result.err
    assert "app dev" in result.err
    assert not (project / ".data").exists()


@pytest.mark.parametrize("stage", ["staging", "production"])
def test_development_is_refused_elsewhere(
    stage: str, on_migrated: str, project: Path, app_command: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    production(monkeypatch, ENVIRONMENT=stage)

    result = app_command("dev")

    assert result.code == 1
    assert f"`app dev` is for development, and ENVIRONMENT is {stage}." in result.err
    assert not (project / ".env").exists()


def test_production_starts_no_database(project: Path, app_command: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ENVIRONMENT", "production")

    for command in COMMANDS:
        result = app_command(*command)
        assert result.code == 1
        assert "DATABASE_URL must be set in production" in result.out + result.err
    assert not (project / ".data").exists()
    assert not (project / ".env").exists()


def test_the_first_command_writes_a_key_for_its_owner_alone(
    project: Path, on_migrated: str, app_command: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SECRET_KEY")

    first = app_command("db", "current")
    content = (project / ".env").read_text()
    second = app_command("db", "current")

    assert (first.code, second.code) == (0, 0)
    assert "wrote .env" in first.err
    assert second.err == ""
    assert (project / ".env").read_text() == content
    assert stat.S_IMODE((project / ".env").stat().st_mode) == 0o600
    key = content.partition("SECRET_KEY=")[2].strip()
    assert len(key) == 64
    assert key not in first.out + first.err


def test_a_key_in_the_environment_needs_no_file(project: Path, on_migrated: str, app_command: Run) -> None:
    assert app_command("db", "current").code == 0
    assert not (project / ".env").exists()


def test_a_file_that_is_there_stays_as_it_is(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SECRET_KEY")
    (project / ".env").write_text("API_PORT=9001\n")

    assert not ensure_env_file(project)
    assert (project / ".env").read_text() == "API_PORT=9001\n"


def test_two_keys_are_never_the_same(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SECRET_KEY")
    contents = set()
    for name in "ab":
        (project / name).mkdir()
        assert ensure_env_file(project / name)
        contents.add((project / name / ".env").read_text())

    assert len(contents) == 2


def test_a_folder_that_takes_no_file_is_named(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SECRET_KEY")
    folder = project / f"missing-{secrets.token_hex(4)}"

    with pytest.raises(ConfigurationError, match=r"\.env cannot be written to .*missing") as caught:
        ensure_env_file(folder)

    assert "SECRET_KEY" in str(caught.value.next_step)
    # Which is what the next step says.
    monkeypatch.setenv("SECRET_KEY", "x" * 32)
    assert not ensure_env_file(folder)


def test_a_disk_that_is_full_leaves_no_empty_file(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SECRET_KEY")

    def full(*_arguments: object, **_keywords: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fdopen", full)
        with pytest.raises(ConfigurationError, match="No space left"):
            ensure_env_file(project)

    assert not (project / ".env").exists()
    assert ensure_env_file(project)
