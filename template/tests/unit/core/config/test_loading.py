"""Where settings come from, and what is said about wrong ones."""

from pathlib import Path

import pytest

from app.core.config import Environment, get_settings, load_settings
from app.core.config.loading import known_variables, likely_typos
from app.core.exceptions import ConfigurationError
from tests.unit.core.config.conftest import KEY

URL = "postgresql://app:Xq7planted@db.example.org/app"


def problems() -> dict[str, str]:
    """What `load_settings` complains about: rules by variable."""
    with pytest.raises(ConfigurationError) as caught:
        load_settings()
    head, *lines = caught.value.message.splitlines()
    assert head in {"1 setting is wrong:", f"{len(lines)} settings are wrong:"}
    assert caught.value.next_step
    found = dict(line.strip().split(": ", 1) for line in lines)
    assert caught.value.details == {"variables": [line.strip().split(": ", 1)[0] for line in lines]}
    return found


def production(monkeypatch: pytest.MonkeyPatch, **variables: str) -> None:
    for name, value in {"ENVIRONMENT": "production", "DATABASE_URL": URL, **variables}.items():
        monkeypatch.setenv(name, value)


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


@pytest.mark.parametrize(("stage", "workers"), [("development", 2), ("staging", 3), ("production", 4)])
def test_each_stage_reads_its_own_file_and_no_other(
    stage: str, workers: int, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    production(monkeypatch, ENVIRONMENT=stage)
    (project / ".env").write_text("API_WORKERS=2\nDEBUG=true\n")
    (project / ".env.staging").write_text("API_WORKERS=3\n")
    (project / ".env.production").write_text("API_WORKERS=4\n")

    settings = load_settings()

    assert settings.api.workers == workers
    assert settings.api.debug is (stage == "development")


def test_a_development_file_gives_production_no_secret(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    production(monkeypatch)
    monkeypatch.delenv("SECRET_KEY")
    (project / ".env").write_text(f"SECRET_KEY={KEY}\n")

    assert problems() == {"SECRET_KEY": "is required"}


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

    assert found["DATABSE_URL"] == "is no setting of this application; did you mean DATABASE_URL?"
    assert found["COLOUR"].startswith("is no setting of this application; remove it")
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
    monkeypatch.setenv("DATABASE_URL", URL)
    settings = load_settings()

    for each in (settings, settings.database, settings.auth):
        for text in (str(each), repr(each), str(each.model_dump()), each.model_dump_json()):
            assert "planted" not in text
            assert KEY not in text


def test_a_file_names_its_own_stage_or_none(project: Path) -> None:
    (project / ".env").write_text("ENVIRONMENT=production\n")

    assert problems() == {"ENVIRONMENT": "in .env must be development: set other stages in the environment"}


def test_a_file_may_repeat_its_stage(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    production(monkeypatch)
    (project / ".env.production").write_text("ENVIRONMENT=production\nAPI_WORKERS=4\n")

    assert load_settings().api.workers == 4


def test_an_unknown_stage_is_refused_with_the_known_ones(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ENVIRONMENT", "prod")

    assert problems() == {"ENVIRONMENT": "must be one of development, staging, production"}


def test_a_line_that_is_no_assignment_is_a_problem(project: Path) -> None:
    (project / ".env").write_text("API_PORT=9001\n\nDATABASE URL=Xq7planted\nAPI_WORKERS\n")

    found = problems()

    assert found == {".env": "cannot be understood in line 3, 4; write NAME=value"}


@pytest.mark.parametrize("content", [b"SECRET_KEY=\xff\xfe\n", None], ids=["no text", "a folder"])
def test_a_file_that_cannot_be_read_is_named(content: bytes | None, project: Path) -> None:
    if content is None:
        (project / ".env").mkdir()
    else:
        (project / ".env").write_bytes(content)

    with pytest.raises(ConfigurationError, match=r"^\.env cannot be read\.$") as caught:
        load_settings()

    assert caught.value.next_step


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


@pytest.mark.parametrize("stage", ["staging", "production"])
@pytest.mark.parametrize(
    "key",
    ["change-me-" * 4, "my-very-Secret-key-for-production", "a1" * 32, "0" * 64, "please-replace-this-with-a-key-now"],
)
def test_only_development_takes_a_key_that_can_be_guessed(
    stage: str, key: str, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SECRET_KEY", key)
    assert load_settings().auth.secret_key.get_secret_value() == key

    production(monkeypatch, ENVIRONMENT=stage)
    assert problems().keys() == {"SECRET_KEY"}


@pytest.mark.parametrize("length", [1, 31])
def test_no_stage_takes_a_short_key(length: int, project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SECRET_KEY", KEY[:length])

    assert problems().keys() == {"SECRET_KEY"}


@pytest.mark.parametrize(
    ("variables", "refused"),
    [
        ({"DEBUG": "true"}, "DEBUG"),
        ({"DATABASE_SSL_ROOT_CERT": "/no/such/file.pem"}, "DATABASE_SSL_ROOT_CERT"),
        ({"CORS_ORIGINS": "*"}, "CORS_ORIGINS"),
        ({"CORS_ORIGINS": "https://a.example,*", "CORS_ALLOW_CREDENTIALS": "true"}, "CORS_ORIGINS"),
        ({"DATABASE_URL": ""}, "DATABASE_URL"),
        ({"DATABASE_URL": "postgresql://postgres@/app?host=/tmp/embedded-postgres-x1"}, "DATABASE_URL"),
        ({"DATABASE_URL": "", "POSTGRES_HOST": "/tmp/embedded-postgres-x1"}, "POSTGRES_HOST"),  # noqa: S108
    ],
)
def test_production_refuses(
    variables: dict[str, str], refused: str, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    production(monkeypatch, **variables)

    assert problems().keys() == {refused}


def test_production_reports_what_its_own_rules_say_all_at_once(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    production(monkeypatch, DEBUG="true", CORS_ORIGINS="*", DATABASE_URL="", SECRET_KEY="example" * 8)

    assert problems().keys() == {"DEBUG", "CORS_ORIGINS", "DATABASE_URL", "SECRET_KEY"}


def test_production_starts_with_what_it_needs(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    production(monkeypatch, CORS_ORIGINS="https://a.example", CORS_ALLOW_CREDENTIALS="true")

    assert load_settings().environment is Environment.PRODUCTION


def test_any_origin_with_credentials_is_refused_everywhere(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CORS_ORIGINS", "*")
    assert load_settings().security.cors_origins == ("*",)

    monkeypatch.setenv("CORS_ALLOW_CREDENTIALS", "true")
    assert problems().keys() == {"CORS_ORIGINS"}
