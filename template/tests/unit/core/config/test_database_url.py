"""The spellings of DATABASE_URL that are accepted, and the rules that others break."""

import pytest
from pydantic import SecretStr

from app.core.config.database import DatabaseSettings, parse_database_url


@pytest.mark.parametrize(
    ("text", "host", "password"),
    [
        ("postgresql://u:p%40%2F%3A%3F%25%20ss@h/db", "h", "p@/:?% ss"),
        ("postgresql://u:p@[2001:db8::1]:5432/db", "2001:db8::1", "p"),
        ("postgresql+asyncpg://u:p,q@h/db", "h", "p,q"),
        ("postgres://h/db", "h", None),
        ("postgresql://u:p@/db?host=/run/post%20gres&port=5433", None, "p"),
    ],
)
def test_parse_database_url_keeps_host_password_and_name(text: str, host: str | None, password: str | None) -> None:
    url = parse_database_url(text).url

    assert (url.drivername, url.host, url.password, url.database) == ("postgresql+asyncpg", host, password, "db")
    assert url.query == ({} if host else {"host": "/run/post gres", "port": "5433"})


def test_parse_database_url_leaves_out_what_only_libpq_understands() -> None:
    found = parse_database_url("postgres://h/db?sslmode=require&channel_binding=require&connect_timeout=10")

    assert (found.url.query, found.ssl_mode) == ({}, "require")


@pytest.mark.parametrize(
    ("text", "query"),
    [
        ("postgresql://u:p@a:1,b:2/db", {"host": "a,b", "port": "1,2", "target_session_attrs": "primary"}),
        ("postgres://u:p,q@a,[2001:db8::1]:2/db?sslmode=require", {"host": "a,2001:db8::1", "port": "5432,2"}),
        ("postgresql://a,b/db?target_session_attrs=any", {"target_session_attrs": "any"}),
        ("postgresql:///db?host=a,b&port=1,2", {"host": "a,b", "port": "1,2"}),
    ],
)
def test_parse_database_url_hands_several_servers_to_the_driver(text: str, query: dict[str, str]) -> None:
    found = parse_database_url(text)
    arguments = found.url.get_dialect()().create_connect_args(found.url)[1]

    assert dict(found.url.query) == {**found.url.query, **query}
    assert tuple(arguments["host"]) == found.hosts
    assert ",".join(map(str, arguments["port"])) == found.url.query["port"]


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("nonsense", "must look like postgresql://"),
        ("mysql://h/db", "must look like postgresql://"),
        ("postgresql://h:port/db", "must look like postgresql://"),
        ("postgresql://h:99999/db", "Port out of range"),
        ("postgresql://[::1/db", "must look like postgresql://"),
        ("postgresql://a:1,,b/db", "must look like postgresql://"),
        ("postgresql://u:p@h/db\n", "must look like postgresql://"),
        ("postgresql://u:p@ss#w/rd@h/db", "must look like postgresql://"),
        ("postgresql://u:p@ss@h/db", "must look like postgresql://"),
        ("postgresql://u:p#ss@h/db", "must look like postgresql://"),
        ("postgresql://u:1/ss@h/db", "must look like postgresql://"),
        ("postgresql://u:1/db?ss@h/db", "must look like postgresql://"),
        ("postgresql://u:p@s#s@h1,h2/db", "must look like postgresql://"),
        ("postgresql://u:p@h/db/more", "must look like postgresql://"),
        ("postgresql://h/", "must look like postgresql://"),
        ("postgresql:///db", "must name a host"),
        ("postgresql://h/db?sslmode=on", "has an unknown sslmode"),
        ("postgresql://h/db?b=1&a=2", r"does not know \(a, b\)"),
    ],
)
def test_parse_database_url_refuses_with_the_rule(text: str, rule: str) -> None:
    with pytest.raises(ValueError, match=rule):
        parse_database_url(text)


def test_address_takes_the_url_s_own_encryption_first() -> None:
    both = DatabaseSettings(url=SecretStr("postgresql://h/db?sslmode=disable"), ssl_mode="verify-full")
    one = DatabaseSettings(url=SecretStr("postgresql://h/db"), ssl_mode="verify-full")

    assert (both.address.ssl_mode, one.address.ssl_mode) == ("disable", "verify-full")
    assert one.migration_address == one.address
