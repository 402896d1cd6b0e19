"""The settings of TimescaleDB: ranges, and what contradicts what."""

from datetime import timedelta
from pathlib import Path

import pytest

from app.core.config.loading import load_settings
from tests.environments import problems


def test_it_is_off_until_switched_on(project: Path) -> None:
    settings = load_settings().timescale

    assert not settings.enabled
    assert timedelta(hours=settings.chunk_interval_hours) == timedelta(days=1)
    assert settings.drop_after_days == 0, "nothing is deleted unless a setting says so"


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("TIMESCALE_ENABLED", "perhaps"),
        ("TIMESCALE_CHUNK_INTERVAL_HOURS", "0"),
        ("TIMESCALE_CHUNK_INTERVAL_HOURS", "8785"),
        ("TIMESCALE_COMPRESS_AFTER_DAYS", "-1"),
        ("TIMESCALE_DROP_AFTER_DAYS", "36526"),
        ("TIMESCALE_ACCEPT_DAYS", "a while"),
    ],
)
def test_values_have_ranges(variable: str, value: str, project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TIMESCALE_ENABLED", "true")
    monkeypatch.setenv(variable, value)

    assert problems().keys() == {variable}


@pytest.mark.parametrize(
    ("given", "wrong"),
    [
        ({"COMPRESS_AFTER_DAYS": "7", "DROP_AFTER_DAYS": "8"}, set()),
        ({"COMPRESS_AFTER_DAYS": "7", "DROP_AFTER_DAYS": "7"}, {"TIMESCALE_DROP_AFTER_DAYS"}),
        ({"COMPRESS_AFTER_DAYS": "0", "DROP_AFTER_DAYS": "1"}, set()),
        ({"COMPRESS_AFTER_DAYS": "9999", "DROP_AFTER_DAYS": "0"}, set()),
        ({"DROP_AFTER_DAYS": "8", "CHUNK_INTERVAL_HOURS": "192"}, set()),
        ({"DROP_AFTER_DAYS": "8", "CHUNK_INTERVAL_HOURS": "193"}, {"TIMESCALE_CHUNK_INTERVAL_HOURS"}),
    ],
)
def test_what_is_dropped_was_kept_as_long_as_was_said(
    given: dict[str, str], wrong: set[str], project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in {"ENABLED": "true", **given}.items():
        monkeypatch.setenv(f"TIMESCALE_{name}", value)

    if wrong:
        assert problems().keys() == wrong
    else:
        assert load_settings().timescale.enabled


def test_settings_that_would_do_nothing_are_noticed(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TIMESCALE_DROP_AFTER_DAYS", "30")
    assert problems() == {"TIMESCALE_ENABLED": "must be set, to true or false, where TIMESCALE_DROP_AFTER_DAYS is"}

    monkeypatch.setenv("TIMESCALE_ENABLED", "false")
    assert load_settings().timescale.drop_after_days == 30
