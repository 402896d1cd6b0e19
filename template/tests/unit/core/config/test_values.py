"""The spellings that settings accept."""

from pathlib import Path

import pytest
from pydantic import SecretStr, ValidationError

from app.core.config import DatabaseSettings, SecuritySettings, load_settings
from app.core.config.database_url import network_hosts, parse_database_url
from app.core.exceptions import ConfigurationError


@pytest.mark.parametrize("scheme", ["postgres", "postgresql", "postgresql+asyncpg"])
def test_every_spelling_of_the_scheme_ends_at_one_driver(scheme: str) -> None:
    found = parse_database_url(f"{scheme}://u:p@db.example.org:6543/app")

    assert found.url.render_as_string(hide_password=False) == "postgresql+asyncpg://u:p@db.example.org:6543/app"
    assert found.ssl_mode is None


@pytest.mark.parametrize(
    ("text", "host", "password"),
    [
        ("postgresql://u:p%40%2F%3A%3F%25%20ss@h/db", "h", "p@/:?% ss"),
        ("postgresql://u:p@[2001:db8::1]:5432/db", "2001:db8::1", "p"),
        ("postgresql://u:p@[::1]/db", "::1", "p"),
        ("postgresql://u:p/w?x,y#z@h/db", "h", "p/w?x,y#z"),
        ("postgresql://u@h/db", "h", None),
        ("postgresql://h/db", "h", None),
    ],
)
def test_hosts_and_passwords_arrive(text: str, host: str, password: str | None) -> None:
    url = parse_database_url(text).url

    assert (url.host, url.password, url.database) == (host, password, "db")


def test_a_socket_folder_is_kept() -> None:
    url = parse_database_url("postgresql://postgres@/app?host=/run/post%20gres&port=5433").url

    assert url.host is None
    assert url.query == {"host": "/run/post gres", "port": "5433"}


def test_what_only_libpq_understands_is_left_out() -> None:
    found = parse_database_url(
        "postgres://u:p@h/db?sslmode=require&channel_binding=require&connect_timeout=10&gssencmode=disable"
    )

    assert found.url.query == {}
    assert found.ssl_mode == "require"


@pytest.mark.parametrize(
    ("text", "query"),
    [
        ("postgresql://u:p@a:1,b:2/db", {"host": "a,b", "port": "1,2", "target_session_attrs": "primary"}),
        ("postgres://u:p,q@a,[2001:db8::1]:2/db?sslmode=require", {"host": "a,2001:db8::1", "port": "5432,2"}),
        ("postgresql://a,b/db?target_session_attrs=any", {"target_session_attrs": "any"}),
        ("postgresql:///db?host=a,b&port=1,2", {"host": "a,b", "port": "1,2"}),
    ],
)
def test_several_servers_reach_the_driver(text: str, query: dict[str, str]) -> None:
    url = parse_database_url(text).url
    arguments = url.get_dialect()().create_connect_args(url)[1]

    assert dict(url.query) == {**url.query, **query}
    assert url.host is None
    assert arguments["host"] == url.query["host"].split(",")  # type: ignore[union-attr]
    assert arguments["port"] == list(map(int, url.query["port"].split(",")))  # type: ignore[union-attr]
    assert network_hosts(url) == tuple(arguments["host"])


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("nonsense", "must look like postgresql://"),
        ("postgresql://h:port/db", "must look like postgresql://"),
        ("postgresql://h:99999/db", "must look like postgresql://"),
        ("postgresql://h:0/db", "must look like postgresql://"),
        ("postgresql:///db?host=/run&port=x", "must look like postgresql://"),
        ("postgresql://a:1,b:x/db", "must look like postgresql://"),
        ("postgresql://a:1,b:70000/db", "must look like postgresql://"),
        ("postgresql://a:1,,b/db", "must look like postgresql://"),
        ("postgresql://a,b/db?target_session_attrs=fastest", "has an unknown target_session_attrs"),
        ("postgresql://u:p@ss#w/rd@h/db", "must have its password percent-encoded"),
        ("postgresql://u:p@ss@h/db", "must have its password percent-encoded"),
        ("postgresql://u:p#ss@wo@h:5432/db", "must have its password percent-encoded"),
        ("postgresql://u:p@s/s@h/db", "must have its password percent-encoded"),
        ("postgresql://u:p@s:s/w@h/db", "must have its password percent-encoded"),
        ("postgresql://u:p@s#s@h1,h2/db", "must have its password percent-encoded"),
        ("postgresql://u:p@h/db#1", "must have its password percent-encoded"),
        ("postgresql://u:p@h/db/more", "must have its password percent-encoded"),
        ("postgresql://u:p ss@h/db", "must not have spaces"),
        ("postgresql://u:p@h/db\n", "must not have spaces or line breaks"),
        ("mysql://h/db", "must begin with postgresql://"),
        ("postgresql+psycopg://h/db", "must begin with postgresql://"),
        ("postgresql://h", "must end in the name of a database"),
        ("postgresql://h/", "must end in the name of a database"),
        ("postgresql:///db", "must name a host"),
        ("postgresql://h/db?sslmode=on", "has an unknown sslmode"),
        ("postgresql://h/db?sslmode=disable&sslmode=require", "has an unknown sslmode"),
        ("postgresql://h/db?b=1&a=2", r"does not know \(a, b\)"),
    ],
)
def test_a_wrong_url_is_refused_with_the_rule(text: str, rule: str) -> None:
    with pytest.raises(ValueError, match=rule):
        parse_database_url(text)


def test_the_url_s_own_encryption_wins() -> None:
    both = DatabaseSettings(url=SecretStr("postgresql://h/db?sslmode=disable"), ssl_mode="verify-full")
    one = DatabaseSettings(url=SecretStr("postgresql://h/db"), ssl_mode="verify-full")

    assert both.effective_ssl_mode == "disable"
    assert one.effective_ssl_mode == "verify-full"


def test_two_ways_to_the_database_are_one_too_many(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgresql://h/db")
    monkeypatch.setenv("POSTGRES_HOST", "h")

    with pytest.raises(ConfigurationError, match="POSTGRES_HOST must not be set together with DATABASE_URL"):
        load_settings()


def test_companions_of_a_host_that_is_missing_are_not_ignored(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("POSTGRES_DB", "mine")

    with pytest.raises(ConfigurationError, match="POSTGRES_HOST must be set where POSTGRES_DB is"):
        load_settings()


def test_a_password_for_compose_alone_is_no_mistake(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("POSTGRES_PASSWORD", "Xq7planted")

    assert not load_settings().database.is_configured


def test_no_database_has_no_url() -> None:
    with pytest.raises(LookupError, match="no database is configured"):
        _ = DatabaseSettings().sqlalchemy_url


@pytest.mark.parametrize(
    ("text", "origins"),
    [
        ("https://a.example", ("https://a.example",)),
        (" https://a.example , http://localhost:3000,", ("https://a.example", "http://localhost:3000")),
        ('["https://a.example", "http://[::1]:3000"]', ("https://a.example", "http://[::1]:3000")),
        ("[]", ()),
        (" , ", ()),
        ("*", ("*",)),
    ],
)
def test_origins_are_a_list_with_commas_or_json(
    text: str, origins: tuple[str, ...], project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CORS_ORIGINS", text)

    assert load_settings().security.cors_origins == origins


@pytest.mark.parametrize(
    "text",
    [
        "https://a.example/",
        "https://a.example/path",
        "https://a.example?x",
        "https://a.example#x",
        "https://u:p@a.example",
        "https://",
        "ftp://a.example",
        "a.example",
        "https://*.example",
        "https://a.example https://b.example",
        '["https://a.example"',
        "[1]",
        '{"a": 1}',
    ],
)
def test_what_is_no_origin_is_refused(text: str, project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CORS_ORIGINS", text)

    with pytest.raises(ConfigurationError, match=r"CORS_ORIGINS (must|should) "):
        load_settings()


@pytest.mark.parametrize(
    ("level", "form", "expected"),
    [
        ("WARN", "text", ("WARNING", "console")),
        ("warn", "Text", ("WARNING", "console")),
        ("debug", "JSON", ("DEBUG", "json")),
    ],
)
def test_level_and_format_of_the_log_have_other_names(
    level: str, form: str, expected: tuple[str, str], project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LOG_LEVEL", level)
    monkeypatch.setenv("LOG_FORMAT", form)

    settings = load_settings().logging

    assert (settings.level, settings.format) == expected


def test_origins_can_be_given_as_they_are() -> None:
    assert SecuritySettings(cors_origins=("https://a.example",)).cors_origins == ("https://a.example",)
    with pytest.raises(ValidationError):
        SecuritySettings(cors_origins=("a.example",))
