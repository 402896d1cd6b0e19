"""Development, staging and production: whose file is read, and what only development takes."""

from pathlib import Path

import pytest

from app.core.config import Environment, load_settings
from tests.environments import problems, production
from tests.unit.core.config.conftest import KEY


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


def test_a_file_names_its_own_stage_or_none(project: Path) -> None:
    (project / ".env").write_text("ENVIRONMENT=production\n")

    assert problems() == {"ENVIRONMENT": "must be development in .env; set other stages in the environment"}


def test_a_file_may_repeat_its_stage(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    production(monkeypatch)
    (project / ".env.production").write_text("ENVIRONMENT=production\nAPI_WORKERS=4\n")

    assert load_settings().api.workers == 4


def test_an_unknown_stage_is_refused_with_the_known_ones(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ENVIRONMENT", "prod")

    assert problems() == {
        "ENVIRONMENT": "must be one of development, staging, production",
        "DATABASE_URL": "must be set in production, or POSTGRES_HOST and its companions",
    }


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
        ({"ARGON2_MEMORY_KIB": "19455"}, "ARGON2_MEMORY_KIB"),
        ({"ARGON2_TIME_COST": "1"}, "ARGON2_TIME_COST"),
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
    production(monkeypatch, CORS_ORIGINS="https://a.example", CORS_ALLOW_CREDENTIALS="true", ARGON2_MEMORY_KIB="19456")

    assert load_settings().environment is Environment.PRODUCTION


def test_production_has_the_safe_defaults(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def chosen() -> tuple[object, ...]:
        settings = load_settings()
        return (
            settings.logging.format,
            settings.auth.sign_up,
            settings.api.docs_enabled,
            settings.security.hsts_seconds,
        )

    assert chosen() == ("console", "open", True, 0)
    production(monkeypatch, ENVIRONMENT="staging")
    assert chosen() == ("console", "open", True, 0)
    production(monkeypatch)
    assert chosen() == ("json", "closed", False, 31_536_000)
    (project / ".env.production").write_text("AUTH_SIGN_UP=open\nHSTS_SECONDS=0\n")
    monkeypatch.setenv("LOG_FORMAT", "console")
    monkeypatch.setenv("API_DOCS_ENABLED", "true")
    assert chosen() == ("console", "open", True, 0)


def test_any_origin_with_credentials_is_refused_everywhere(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CORS_ORIGINS", "*")
    assert load_settings().security.cors_origins == ("*",)

    monkeypatch.setenv("CORS_ALLOW_CREDENTIALS", "true")
    assert problems().keys() == {"CORS_ORIGINS"}
