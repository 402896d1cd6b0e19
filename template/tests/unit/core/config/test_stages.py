"""Development, staging and production: whose file is read, and what only development takes."""

from pathlib import Path

import pytest

from app.core.config.loading import load_settings
from tests.environments import problems, production
from tests.unit.core.config.conftest import KEY

ELSEWHERE = "postgresql://u:Xq7planted@db.example.org/app"


@pytest.mark.parametrize(("stage", "workers"), [("development", 2), ("staging", 3), ("production", 4)])
def test_each_stage_reads_its_own_file_and_no_other(
    stage: str, workers: int, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    production(monkeypatch, ENVIRONMENT=stage)
    (project / ".env").write_text("API_WORKERS=2\nDEBUG=true\n")
    (project / ".env.staging").write_text("API_WORKERS=3\n")
    (project / ".env.production").write_text("ENVIRONMENT=production\nAPI_WORKERS=4\n")

    api = load_settings().api

    assert (api.workers, api.debug) == (workers, stage == "development")


def test_a_file_names_its_own_stage_or_none(project: Path) -> None:
    (project / ".env").write_text("ENVIRONMENT=production\n")

    assert problems() == {"ENVIRONMENT": "must be development in .env; set other stages in the environment"}


def test_an_unknown_stage_is_refused_with_the_known_ones(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ENVIRONMENT", "prod")

    assert problems() == {"ENVIRONMENT": "must be one of development, staging, production"}


@pytest.mark.parametrize("stage", ["staging", "production"])
@pytest.mark.parametrize("key", ["change-me-" * 4, "my-very-Secret-key-for-production", "a1" * 32, "0" * 64])
def test_only_development_takes_a_key_that_can_be_guessed(
    stage: str, key: str, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SECRET_KEY", key)
    assert load_settings().auth.secret_key.get_secret_value() == key
    monkeypatch.setenv("SECRET_KEY", KEY[:31])
    assert problems().keys() == {"SECRET_KEY"}

    production(monkeypatch, ENVIRONMENT=stage, SECRET_KEY=key)
    assert problems().keys() == {"SECRET_KEY"}


@pytest.mark.parametrize(
    ("variables", "refused"),
    [
        ({"DEBUG": "true"}, {"DEBUG"}),
        ({"DATABASE_SSL_ROOT_CERT": "/no/such/file.pem"}, {"DATABASE_SSL_ROOT_CERT"}),
        ({"CORS_ORIGINS": "*"}, {"CORS_ORIGINS"}),
        ({"CORS_ORIGINS": "https://a.example,*", "CORS_ALLOW_CREDENTIALS": "true"}, {"CORS_ORIGINS"}),
        ({"DATABASE_URL": ""}, {"DATABASE_URL"}),
        ({"DATABASE_URL": "postgresql://postgres@/app?host=/tmp/embedded-postgres-x1"}, {"DATABASE_URL"}),
        ({"POSTGRES_HOST": "localhost"}, {"POSTGRES_HOST"}),
        ({"DEBUG": "true", "CORS_ORIGINS": "*", "DATABASE_URL": ""}, {"DEBUG", "CORS_ORIGINS", "DATABASE_URL"}),
        ({"MAIL_BACKEND": "files"}, {"MAIL_BACKEND"}),
        ({"MAIL_SENDER": "", "FRONTEND_URL": ""}, {"MAIL_SENDER", "FRONTEND_URL"}),
        ({"MAIL_HOST": "mail.example.org", "MAIL_TLS": "none"}, {"MAIL_TLS"}),
        ({"MAIL_SENDER": "no address"}, {"MAIL_SENDER"}),
        ({"MAIL_SENDER": "Shop <shop@example.org>\nBcc: all@example.org"}, {"MAIL_SENDER"}),
        ({"FRONTEND_URL": "https://www.example.org/"}, {"FRONTEND_URL"}),
        ({"FRONTEND_URL": "javascript:alert(1)"}, {"FRONTEND_URL"}),
    ],
)
def test_production_refuses(
    variables: dict[str, str], refused: set[str], project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    production(monkeypatch, **variables)

    assert problems().keys() == refused


def test_production_has_the_safe_defaults(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def chosen() -> tuple[object, ...]:
        settings = load_settings()
        return settings.logging.format, settings.auth.sign_up, settings.api.docs_enabled, settings.security.hsts_seconds

    assert chosen() == ("console", "open", True, 0)
    production(monkeypatch, ENVIRONMENT="staging")
    assert chosen() == ("console", "open", True, 0)
    production(monkeypatch)
    assert chosen() == ("json", "closed", False, 31_536_000)
    (project / ".env.production").write_text("AUTH_SIGN_UP=open\nHSTS_SECONDS=0\n")
    monkeypatch.setenv("LOG_FORMAT", "console")
    monkeypatch.setenv("API_DOCS_ENABLED", "true")
    assert chosen() == ("console", "open", True, 0)


def test_development_refuses_what_contradicts_itself(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CORS_ORIGINS", "*")
    monkeypatch.setenv("POSTGRES_PASSWORD", "Xq7planted")  # Compose takes it from the same file.
    assert load_settings().security.cors_origins == ("*",)

    monkeypatch.setenv("CORS_ALLOW_CREDENTIALS", "true")
    monkeypatch.setenv("POSTGRES_HOST", "localhost")
    monkeypatch.setenv("DATABASE_URL", ELSEWHERE)
    assert problems() == {
        "CORS_ORIGINS": "must name the origins when CORS_ALLOW_CREDENTIALS is on; * is refused",
        "POSTGRES_HOST": "must not be set together with DATABASE_URL: choose one of them",
    }


@pytest.mark.parametrize(
    ("variables", "refused", "remarked"),
    [
        ({"DATABASE_URL": f"{ELSEWHERE}?sslmode=prefer"}, True, False),
        ({"DATABASE_URL": "postgresql://u@[2001:db8::1]/app"}, True, False),
        ({"DATABASE_URL": "postgresql://u@/app?host=db"}, True, False),
        ({"DATABASE_URL": "postgresql://u@localhost,10.0.0.7/app"}, True, False),
        ({"DATABASE_URL": "", "POSTGRES_HOST": "postgres"}, True, False),
        ({"MIGRATION_DATABASE_URL": ELSEWHERE}, True, False),
        ({"DATABASE_URL": f"{ELSEWHERE}?sslmode=require"}, False, False),
        ({"DATABASE_URL": ELSEWHERE, "DATABASE_SSL_MODE": "verify-full"}, False, False),
        ({"DATABASE_URL": "postgresql://u@127.0.0.1,[::1],localhost/app"}, False, False),
        ({"DATABASE_URL": "postgresql://u@/app?host=/run/postgresql"}, False, False),
        ({"DATABASE_URL": f"{ELSEWHERE}?sslmode=disable"}, False, True),
        ({"DATABASE_URL": "", "POSTGRES_HOST": "db", "DATABASE_SSL_MODE": "disable"}, False, True),
    ],
)
def test_production_refuses_a_database_elsewhere_without_encryption_unless_it_is_written_out(
    variables: dict[str, str], *, refused: bool, remarked: bool, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    production(monkeypatch, **variables)
    if refused:
        assert problems().keys() == {"DATABASE_SSL_MODE"}
        monkeypatch.setenv("ENVIRONMENT", "staging")

    assert [remark.variable for remark in load_settings().remarks()] == ["DATABASE_SSL_MODE"] * remarked


def test_mail_is_off_in_production_unless_set_and_the_doctor_says_so(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    production(monkeypatch, MAIL_BACKEND="", MAIL_SENDER="", FRONTEND_URL="")
    settings = load_settings()

    assert settings.mail.backend == "off"
    assert [remark.variable for remark in settings.remarks()] == ["MAIL_BACKEND"]


def test_mail_is_sent_without_encryption_on_this_machine(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    production(monkeypatch, MAIL_HOST="127.0.0.1", MAIL_TLS="none", MAIL_SENDER="Shop <shop@example.org>")

    assert load_settings().mail.sender == "Shop <shop@example.org>"
