"""The sources of settings, and the errors about wrong ones."""

from pathlib import Path

import pytest

from app.core import get_settings
from app.core.config import Environment, load_settings
from app.core.config.loading import known_variables, likely_typos
from app.core.exceptions import ConfigurationError
from tests.environments import DATABASE_URL, problems
from tests.unit.core.config.conftest import KEY


def test_a_secret_key_is_all_that_development_needs(project: Path) -> None:
    settings = load_settings()

    assert settings.environment is Environment.DEVELOPMENT
    assert settings.auth.secret_key.get_secret_value() == KEY
    assert settings.api.port == 8000
    assert not settings.database.is_configured


def test_every_section_is_read_from_the_environment(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {
        "API_PORT": "9001",
        "DEBUG": "true",
        "DATABASE_POOL_SIZE": "7",
        "POSTGRES_HOST": "db.example.org",
        "POSTGRES_PORT": "6543",
        "POSTGRES_USER": "me",
        "POSTGRES_PASSWORD": "p@ss/w:rd",
        "POSTGRES_DB": "mine",
        "LOG_LEVEL": "warning",
        "LOG_FORMAT": "json",
        "CORS_ORIGINS": "https://a.example",
        "HSTS_SECONDS": "60",
    }.items():
        monkeypatch.setenv(name, value)

    settings = load_settings()

    assert settings.api.port == 9001
    assert settings.api.debug is True
    assert settings.database.pool_size == 7
    url = settings.database.sqlalchemy_url
    assert (url.drivername, url.host, url.port, url.username, url.password, url.database) == (
        "postgresql+asyncpg",
        "db.example.org",
        6543,
        "me",
        "p@ss/w:rd",
        "mine",
    )
    assert settings.logging.level == "WARNING"
    assert settings.logging.format == "json"
    assert settings.security.cors_origins == ("https://a.example",)
    assert settings.security.hsts_seconds == 60


def test_the_process_environment_wins_over_the_file(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (project / ".env").write_text("API_PORT=9001\nAPI_WORKERS=3\n")
    monkeypatch.setenv("API_PORT", "9002")

    settings = load_settings()

    assert settings.api.port == 9002
    assert settings.api.workers == 3


def test_the_file_is_found_from_a_folder_inside_the_project(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (project / ".env").write_text("API_PORT=9001\n")
    inside = project / "src" / "app"
    inside.mkdir(parents=True)
    monkeypatch.chdir(inside)

    assert load_settings().api.port == 9001


def test_empty_strings_count_as_not_set(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in known_variables() - {"SECRET_KEY"}:
        monkeypatch.setenv(name, "")
    (project / ".env").write_text("API_PORT=\nCORS_ORIGINS=\nENVIRONMENT=\n")

    settings = load_settings()

    assert settings.environment is Environment.DEVELOPMENT
    assert settings.api.port == 8000
    assert not settings.database.is_configured


def test_an_empty_secret_key_is_a_missing_one(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SECRET_KEY", "")

    assert problems() == {"SECRET_KEY": "is required"}


def test_all_problems_are_reported_at_once_each_with_variable_and_rule(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (project / ".env").write_text("DATABSE_URL=x\nCOLOUR=\n")
    for name, value in {
        "SECRET_KEY": "short",
        "API_PORT": "eighty",
        "API_WORKERS": "0",
        "DATABASE_URL": "mysql://x@y/z",
        "DATABASE_POOL_SIZE": "501",
        "LOG_FORMAT": "xml",
        "CORS_ORIGINS": "app.example.com",
    }.items():
        monkeypatch.setenv(name, value)

    found = problems()

    assert found["DATABSE_URL"] == "is no setting of this application (.env, line 1); did you mean DATABASE_URL?"
    assert found["COLOUR"].startswith("is no setting of this application (.env, line 2); remove it")
    assert found["DATABASE_URL"] == "must begin with postgresql://, postgres:// or postgresql+asyncpg://"
    assert found.keys() == {
        "DATABSE_URL",
        "COLOUR",
        "SECRET_KEY",
        "API_PORT",
        "API_WORKERS",
        "DATABASE_URL",
        "DATABASE_POOL_SIZE",
        "LOG_FORMAT",
        "CORS_ORIGINS",
    }


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("SECRET_KEY", "Xq7planted"),
        ("API_PORT", "Xq7planted"),
        ("API_TRUSTED_PROXYS", "Xq7planted"),
        ("DEBUG", "Xq7planted"),
        ("DATABASE_URL", "Xq7planted"),
        ("DATABASE_URL", "mysql://u:Xq7planted@h/db"),
        ("DATABASE_URL", "postgresql://u:Xq7planted@h:port/db"),
        ("DATABASE_URL", "postgresql://u:Xq7planted@h:99999/db"),
        ("DATABASE_URL", "postgresql://u:Xq7planted@h/db?sslmode=Xq7planted"),
        ("DATABASE_URL", "postgresql://u:?Xq7planted=1&b@h/db?nonsense=Xq7planted"),
        ("DATABASE_URL", "postgresql://u:Xq7planted@h"),
        ("POSTGRES_PORT", "Xq7planted"),
        ("DATABASE_SSL_MODE", "Xq7planted"),
        ("DATABASE_POOL_TIMEOUT_SECONDS", "Xq7planted"),
        ("LOG_LEVEL", "Xq7planted"),
        ("CORS_ORIGINS", "Xq7planted"),
        ("CORS_ORIGINS", '["Xq7planted"'),
        ("CORS_ORIGINS", '["https://a.example", {"Xq7planted": 1}]'),
        ("ENVIRONMENT", "Xq7planted"),
    ],
)
@pytest.mark.parametrize("source", ["environment", "file"])
def test_no_value_is_ever_in_an_error(
    name: str, value: str, source: str, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if source == "file":
        monkeypatch.delenv(name, raising=False)
        (project / ".env").write_text(f"{name}='{value}'\n")
    elif name in known_variables():
        monkeypatch.setenv(name, value)
    else:
        pytest.skip("a stranger in the environment is no error")

    with pytest.raises(ConfigurationError) as caught:
        load_settings()

    error: BaseException | None = caught.value
    assert name in str(error)
    while error is not None:
        assert "planted" not in f"{error} {error!r} {vars(error)}"
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    assert "planted" not in str(caught.value.to_dict())


def test_secrets_are_in_no_representation_of_the_settings(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", DATABASE_URL)
    settings = load_settings()

    for each in (settings, settings.database, settings.auth):
        for text in (str(each), repr(each), str(each.model_dump()), each.model_dump_json()):
            assert "planted" not in text
            assert KEY not in text


def test_settings_are_read_once_until_the_cache_is_cleared(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = get_settings()
    monkeypatch.setenv("API_PORT", "9001")

    assert get_settings() is first
    get_settings.cache_clear()
    assert get_settings().api.port == 9001


def test_settings_cannot_be_changed(project: Path) -> None:
    settings = load_settings()

    for each, field in ((settings, "environment"), (settings.api, "port"), (settings.database, "url")):
        with pytest.raises(ValueError, match="frozen"):
            setattr(each, field, None)


def test_likely_misspelt_variables_are_found_and_strangers_left_alone(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATABASE_ULR", "Xq7planted")
    monkeypatch.setenv("LESSOPEN", "x")

    found = list(likely_typos())

    assert ("DATABASE_ULR", "is no setting; did you mean DATABASE_URL?") in found
    assert {problem.variable for problem in found}.isdisjoint({"LESSOPEN", "PATH", "SECRET_KEY"})
