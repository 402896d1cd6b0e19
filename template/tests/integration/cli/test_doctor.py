"""`app doctor`: a line for each setting and service, and an exit code."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from app.core.config import ApplicationSettings
from app.core.database import Database
from app.core.exceptions import ConfigurationError
from app.core.health import Health, HealthCheck
from app.core.process import open_process
from tests.integration.cli.conftest import Run
from tests.stored_secrets import NEW, OLD, fill


def test_doctor_finds_nothing_wrong(on_migrated: str, app_command: Run) -> None:
    result = app_command("doctor")

    assert result.code == 0, result.out
    settings, database, migrations, secrets = result.out.splitlines()[:4]
    assert settings == "ok      settings: development, all valid"
    assert database.startswith("ok      database: PostgreSQL ")
    assert migrations == "ok      migrations: all applied"
    assert secrets == "ok      secrets: 0 stored; storing one needs SECRETS_KEYS"


def test_doctor_asks_every_part_that_the_application_has(
    on_migrated: str, app_command: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def works() -> None:
        """Answers."""

    async def fails() -> None:
        raise OSError("no route to https://me:Xq7planted@elsewhere.example")

    async def refuses() -> None:
        raise ConfigurationError("It is switched off.", next_step="Switch it on.")

    checks = [HealthCheck("one", works), HealthCheck("two", fails, required=False), HealthCheck("three", refuses)]

    @asynccontextmanager
    async def open_services(settings: ApplicationSettings) -> AsyncIterator[None]:
        async with open_process() as process:
            database = Database(settings.database)
            process.add(database, close=database.close)
            process.add(Health(checks))
            yield

    monkeypatch.setattr("app.wiring.open_services", open_services)

    result = app_command("doctor")

    assert result.code == 1
    assert result.out.splitlines()[4:] == [
        "ok      one: works",
        "warning two: does not work (OSError: no route to https://[redacted]@elsewhere.example)",
        "        next: Look for the cause in the service's log, or report it.",
        "failed  three: It is switched off.",
        "        next: Switch it on.",
    ]


def test_doctor_finds_pending_migrations(on_empty: str, app_command: Run) -> None:
    result = app_command("doctor")

    assert result.code == 1
    assert "failed  migrations: The database is at revision (none)" in result.out
    assert "next: Apply the pending migrations with `app db upgrade`." in result.out


@pytest.mark.parametrize(
    ("variable", "code", "line"),
    [
        ("API_PORT=Xq7planted", 1, "failed  settings: Wrong settings:"),
        ("API_WORKERS=256", 0, "this service may open 10496"),
    ],
)
@pytest.mark.usefixtures("on_migrated")
def test_doctor_finds_settings_that_are_wrong_or_want_too_much(
    variable: str, code: int, line: str, app_command: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(*variable.split("="))

    result = app_command("doctor")

    assert result.code == code
    assert line in result.out
    assert "planted" not in result.out


def test_doctor_compares_the_keys_in_use_with_those_that_are_there(
    on_migrated: str, app_command: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(on_migrated, 3)
    for keys, line in (
        (f"{OLD},{NEW}", "ok      secrets: 3 stored"),
        (f"{NEW},{OLD}", "warning secrets: 3 not under the first key, new"),
        (NEW, "failed  secrets: 3 cannot be read: SECRETS_KEYS lacks old"),
        ("", "failed  secrets: 3 cannot be read: SECRETS_KEYS lacks old"),
    ):
        monkeypatch.setenv("SECRETS_KEYS", keys)
        answer = app_command("doctor")
        assert line in answer.out.splitlines()
        assert answer.code == line.startswith("failed")
        assert not any(key.split(":")[1] in answer.out + answer.err for key in (OLD, NEW))
