"""`app db upgrade` sets TimescaleDB up, says what it did, and what it could not."""

import asyncio
from collections.abc import Iterator

import pytest

from tests.databases import DatabaseServer
from tests.hypertables import find_reason_against, install_stand_in, pretended_extension
from tests.integration.cli.conftest import Run


@pytest.fixture
def on_stand_in(on_migrated: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    asyncio.run(install_stand_in(on_migrated))
    monkeypatch.setenv("TIMESCALE_ENABLED", "true")
    # The stand-in's tables have a columnstore from the start, whose policy an unset variable would leave alone.
    monkeypatch.setenv("TIMESCALE_COMPRESS_AFTER_DAYS", "7")
    with pretended_extension():
        yield


def test_an_upgrade_says_what_it_set_up_and_changed(
    on_stand_in: None, head: str, app_command: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = app_command("db", "upgrade")
    assert first.code == 0, first.err
    assert first.out.splitlines() == [
        "measurements: made a hypertable, a chunk for every 24 h",
        "measurements: chunks are converted to columns after 7 days",
        f"{head}: nothing to do",
    ]
    assert app_command("db", "upgrade").out == f"{head}: nothing to do\n"

    monkeypatch.setenv("TIMESCALE_DROP_AFTER_DAYS", "30")
    assert "measurements: chunks are dropped after 30 days" in app_command("db", "upgrade").out
    assert "ok      timescaledb: works" in app_command("doctor").out


def test_what_is_wrong_with_the_server_is_a_sentence(
    server: DatabaseServer, on_empty: str, app_command: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    if asyncio.run(find_reason_against(server)) is None:
        pytest.skip("this server has TimescaleDB")
    monkeypatch.setenv("TIMESCALE_ENABLED", "true")

    result = app_command("db", "upgrade")

    assert result.code == 1
    assert "error: The database server " in result.err
    assert "next: " in result.err
    # The migrations are applied all the same, and everything else works on plain tables.
    assert app_command("db", "check").code == 0
    doctor = app_command("doctor")
    assert (doctor.code, "warning timescaledb: The database server" in doctor.out) == (0, True)


def test_on_a_real_one_models_and_database_agree(
    server: DatabaseServer, on_empty: str, app_command: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    if reason := asyncio.run(find_reason_against(server)):
        pytest.skip(reason)
    monkeypatch.setenv("TIMESCALE_ENABLED", "true")

    assert app_command("db", "upgrade").code == 0
    assert app_command("db", "check")[:2] == (0, "the models and the database agree\n")
    assert app_command("db", "revision", "-m", "nothing").out == (
        "the models and the database agree: nothing to write\n"
    )
    assert "ok      timescaledb: works" in app_command("doctor").out
    assert app_command("db", "downgrade", "base").code == 0
