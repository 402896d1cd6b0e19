"""The sources of settings, and the problems of wrong ones: each variable with its rule, never a value, all at once."""

import re
from pathlib import Path

import pytest

from app.core import get_settings
from app.core.config import ApplicationSettings
from app.core.config.loading import known_variables, load_settings
from app.core.config.section import Environment
from app.core.exceptions import ConfigurationError
from tests.environments import problems, production
from tests.unit.core.config.conftest import KEY

PLANTED = "\tXq7planted ${x} #"
# A rule is a verb and what follows, so that a variable and its rule make a sentence.
RULE = re.compile(r"(must|should|does|is|has|cannot)\b.")


def test_load_settings_needs_a_secret_key_alone_in_development(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = load_settings()

    assert settings.environment is Environment.DEVELOPMENT
    assert not settings.database.is_configured
    monkeypatch.setenv("SECRET_KEY", "")
    assert problems() == {"SECRET_KEY": "is required"}


def test_load_settings_reads_the_environment(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {
        "API_PORT": "9001",
        "DEBUG": "true",
        "POSTGRES_HOST": "db.example.org",
        "POSTGRES_PORT": "6543",
        "POSTGRES_USER": "me",
        "POSTGRES_PASSWORD": "p@ss/w:rd",
        "POSTGRES_DB": "mine",
    }.items():
        monkeypatch.setenv(name, value)

    settings = load_settings()

    assert (settings.api.port, settings.api.debug) == (9001, True)
    address = settings.database.address.url.render_as_string(hide_password=False)
    assert address == "postgresql+asyncpg://me:p%40ss%2Fw%3Ard@db.example.org:6543/mine"
    for secret in ("p@ss", KEY):
        assert secret not in f"{settings!r} {settings.model_dump()} {settings.model_dump_json()}"


def test_load_settings_prefers_the_process_environment_to_the_file(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (project / ".env").write_text("API_PORT=9001\nAPI_WORKERS=3\n")
    (project / "src").mkdir()
    monkeypatch.chdir(project / "src")
    monkeypatch.setenv("API_PORT", "9002")

    api = load_settings().api

    assert (api.port, api.workers) == (9002, 3)


def test_load_settings_takes_empty_strings_for_not_set(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in known_variables() - {"SECRET_KEY"}:
        monkeypatch.setenv(name, "")
    (project / ".env").write_text("API_PORT=\nCORS_ORIGINS=\nENVIRONMENT=\n")

    settings = load_settings()

    assert (settings.environment, settings.api.port) == (Environment.DEVELOPMENT, 8000)


def test_load_settings_reports_a_name_of_the_file_that_is_no_setting(project: Path) -> None:
    (project / ".env").write_text("DATABSE_URL=x\nCOLOUR=\n")

    assert problems() == {
        "DATABSE_URL": "is no setting of this application (.env:1); did you mean DATABASE_URL?",
        "COLOUR": "is no setting of this application (.env:2)",
    }


@pytest.mark.parametrize("source", ["environment", "file"])
@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("SECRET_KEY", "Xq7planted"),
        ("DATABASE_URL", "postgresql://u:Xq7planted@h/db?sslmode=Xq7planted"),
        ("DATABASE_URL", "postgresql://u:?Xq7planted=1&b@h/db?nonsense=Xq7planted"),
        ("CORS_ORIGINS", '["https://a.example", {"Xq7planted": 1}]'),
        ("ENVIRONMENT", "Xq7planted"),
    ],
)
def test_no_value_is_ever_in_an_error(
    name: str, value: str, source: str, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if source == "file":
        monkeypatch.delenv(name, raising=False)
        (project / ".env").write_text(f"{name}='{value}'\n")
    else:
        monkeypatch.setenv(name, value)

    with pytest.raises(ConfigurationError) as caught:
        load_settings()

    error: BaseException | None = caught.value
    assert name in str(error)
    while error is not None:
        assert "planted" not in f"{error} {error!r} {vars(error)}"
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)


def test_get_settings_reads_once_until_the_cache_is_cleared(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = get_settings()
    monkeypatch.setenv("API_PORT", "9001")

    assert get_settings() is first
    get_settings.cache_clear()
    assert get_settings().api.port == 9001
    with pytest.raises(ValueError, match="frozen"):
        first.api.port = 1  # type: ignore[misc]


def test_every_setting_that_is_wrong_is_named_with_its_rule_in_one_round(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    texts = {
        variable
        for section in ApplicationSettings.sections().values()
        for name, variable in section.variables().items()
        if re.search("str|Secret", str(section.model_fields[name].annotation))
    }
    refused: set[str] = set()
    # A wrong type, and numbers out of every range.
    for value in (PLANTED, "-7e300", "7e300"):
        for variable in known_variables():
            monkeypatch.setenv(variable, value)
        found = problems()
        assert all(RULE.match(rule) for rule in found.values()), found
        assert "planted" not in str(found)
        assert value != PLANTED or {"ENVIRONMENT", "DATABASE_URL", "API_PORT", "LOG_LEVEL", "DEBUG"} <= found.keys()
        refused |= found.keys()
    assert known_variables() - texts <= refused <= known_variables()


@pytest.mark.parametrize(
    ("broken", "others", "named"),
    [
        ("AUTH_LOGIN_ATTEMPTS", {"SECRET_KEY": "example" * 8}, {"SECRET_KEY"}),
        ("SECRET_KEY", {"DEBUG": "true"}, {"DEBUG"}),
        ("HSTS_SECONDS", {"CORS_ORIGINS": "*"}, {"CORS_ORIGINS"}),
        ("DATABASE_POOL_SIZE", {"DATABASE_URL": ""}, {"DATABASE_URL"}),
        ("DATABASE_URL", {"DATABASE_SSL_ROOT_CERT": "/no/such", "POSTGRES_DB": "x"}, {"DATABASE_SSL_ROOT_CERT"}),
    ],
)
def test_rules_between_settings_come_in_the_same_round(
    broken: str, others: dict[str, str], named: set[str], project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A value that cannot be read hides none of the rules of its section and of others."""
    production(monkeypatch, **{broken: "x"} | others)

    assert problems().keys() == {broken, *named}


@pytest.mark.parametrize(
    ("variable", "text", "value"),
    [
        ("CORS_ORIGINS", " https://a.example , http://b.example:3000,", ("https://a.example", "http://b.example:3000")),
        ("CORS_ORIGINS", '["https://a.example", "http://[::1]:3000"]', ("https://a.example", "http://[::1]:3000")),
        ("CORS_ORIGINS", " , ", ()),
        ("CORS_ORIGINS", "*", ("*",)),
        ("API_ROOT_PATH", "/a/b-c_d.e~f", "/a/b-c_d.e~f"),
        ("API_ALLOWED_HOSTS", "api.example.com, *.example.org ,[::1],", ("api.example.com", "*.example.org", "[::1]")),
        ("LOG_LEVEL", "WARN", "WARNING"),
        ("LOG_LEVEL", "debug", "DEBUG"),
        ("LOG_FORMAT", "text", "console"),
        ("LOG_FORMAT", "JSON", "json"),
    ],
)
def test_load_settings_reads_the_spellings_of_a_value(
    variable: str, text: str, value: object, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(variable, text)
    settings = load_settings()

    assert [
        getattr(getattr(settings, section), name)
        for section, kind in ApplicationSettings.sections().items()
        for name, each in kind.variables().items()
        if each == variable
    ] == [value]


@pytest.mark.parametrize(
    ("variable", "values"),
    [
        ("CORS_ORIGINS", ["https://a.example/", "https://a.example?x", "https://u:p@a.example", "https://", "ftp://a"]),
        ("CORS_ORIGINS", ["a.example", "https://*.example", '["https://a.example"', "[1]", '{"a": 1}']),
        ("API_ROOT_PATH", ["shop", "/shop/", "/", "/a//b", "/a b", "https://example.com/shop", "/api", "/api/v1"]),
    ],
)
def test_what_is_no_origin_or_prefix_is_refused(
    variable: str, values: list[str], project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for value in values:
        monkeypatch.setenv(variable, value)
        assert problems().keys() == {variable}, value
