"""Sentry's settings: an address in the right form, names that Sentry takes, and no switching on without an address."""

from pathlib import Path

import pytest
from pydantic import SecretStr, ValidationError

from app.core.config.loading import load_settings
from app.core.config.section import Environment
from app.core.config.sentry import SentrySettings
from tests.environments import problems, production
from tests.traces import find_in_traceback

GOOD = "https://0123456789abcdef@o1.ingest.example.com/42"


@pytest.mark.parametrize(
    "dsn", [GOOD, "http://key@127.0.0.1:9000/1", "https://key:old-secret@example.com/a/path/7", "http://k@[::1]:9/1"]
)
def test_what_sentry_shows_is_taken(dsn: str) -> None:
    assert SentrySettings(dsn=SecretStr(dsn)).dsn == SecretStr(dsn)


@pytest.mark.parametrize(
    "dsn",
    [
        "planted",
        "https://example.com/42",
        "https://planted@/42",
        "https://planted@example.com",
        "https://planted@example.com/",
        "https://planted@example.com/project",
        "https://planted@example.com/\N{ARABIC-INDIC DIGIT FOUR}",
        "https://planted@example.com:port/42",
        "https://planted@example.com:99999/42",
        "https://planted@example.com/42?a=b",
        "https://planted@exam ple.com/42",
        "https://planted@[::1/42",
        "ftp://planted@example.com/42",
    ],
)
def test_what_is_no_address_is_refused_without_being_shown(dsn: str) -> None:
    with pytest.raises(ValidationError, match="must be https://KEY@HOST/PROJECT") as caught:
        SentrySettings(dsn=SecretStr(dsn))
    assert "planted" not in str(caught.value)
    assert not find_in_traceback(caught.value, "planted")


@pytest.mark.parametrize("stage", ["development", "production"])
def test_it_is_not_switched_on_without_an_address(stage: str, project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    production(monkeypatch, ENVIRONMENT=stage, SENTRY_ENABLED="true")
    assert problems() == {"SENTRY_DSN": "must be set where SENTRY_ENABLED is true"}

    monkeypatch.setenv("SENTRY_DSN", GOOD)
    settings = load_settings()
    assert settings.environment is Environment(stage)
    assert "0123456789abcdef" not in f"{settings.sentry!r} {settings.sentry.model_dump_json()}"


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("SENTRY_ENVIRONMENT", "eu/1"),
        ("SENTRY_ENVIRONMENT", "e" * 65),
        ("SENTRY_RELEASE", "shop 1"),
        ("SENTRY_RELEASE", "r" * 201),
        ("SENTRY_TRACES_SAMPLE_RATE", "1.1"),
        ("SENTRY_FLUSH_SECONDS", "11"),
        ("SENTRY_QUEUE_SIZE", "0"),
    ],
)
def test_what_sentry_would_drop_is_refused(
    variable: str, value: str, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(variable, value)
    assert problems().keys() == {variable}
