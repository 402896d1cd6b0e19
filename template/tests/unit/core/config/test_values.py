"""The spellings that settings accept."""

from pathlib import Path

import pytest

from app.core.config import load_settings
from tests.environments import problems


@pytest.mark.parametrize(
    ("text", "origins"),
    [
        (" https://a.example , http://localhost:3000,", ("https://a.example", "http://localhost:3000")),
        ('["https://a.example", "http://[::1]:3000"]', ("https://a.example", "http://[::1]:3000")),
        (" , ", ()),
        ("*", ("*",)),
    ],
)
def test_cors_origins_are_a_list_with_commas_or_json(
    text: str, origins: tuple[str, ...], project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CORS_ORIGINS", text)

    assert load_settings().security.cors_origins == origins


@pytest.mark.parametrize(
    ("variable", "values"),
    [
        ("CORS_ORIGINS", ["https://a.example/", "https://a.example?x", "https://u:p@a.example", "https://", "ftp://a"]),
        ("CORS_ORIGINS", ["a.example", "https://*.example", '["https://a.example"', "[1]", '{"a": 1}']),
        ("API_ROOT_PATH", ["shop", "/shop/", "/", "/a//b", "/a b", "https://example.com/shop", "/api", "/api/v1"]),
        ("API_ALLOWED_HOSTS", ["https://example.com", "example.com:8000", "a.example, *", "*example.com", "a/b"]),
    ],
)
def test_what_is_no_origin_prefix_or_host_is_refused(
    variable: str, values: list[str], project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for value in values:
        monkeypatch.setenv(variable, value)
        assert problems().keys() == {variable}, value


def test_root_path_and_allowed_hosts_are_read(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("API_ROOT_PATH", "/a/b-c_d.e~f")
    monkeypatch.setenv("API_ALLOWED_HOSTS", "API.example.com, *.example.org ,[::1],")

    api = load_settings().api

    assert (api.root_path, api.allowed_hosts) == ("/a/b-c_d.e~f", ("api.example.com", "*.example.org", "[::1]"))


@pytest.mark.parametrize(
    ("level", "form", "expected"),
    [("WARN", "text", ("WARNING", "console")), ("debug", "JSON", ("DEBUG", "json"))],
)
def test_log_level_and_format_have_other_names(
    level: str, form: str, expected: tuple[str, str], project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LOG_LEVEL", level)
    monkeypatch.setenv("LOG_FORMAT", form)

    settings = load_settings().logging

    assert (settings.level, settings.format) == expected
