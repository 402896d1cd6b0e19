"""The address of Redis: what is accepted, what is refused, and that no password is ever shown."""

from pathlib import Path

import pytest
from pydantic import SecretStr, ValidationError

from app.core.config.loading import load_settings
from app.core.config.redis import RedisSettings
from tests.environments import problems, production
from tests.traces import find_in_traceback


@pytest.mark.parametrize(
    "url",
    [
        "redis://localhost",
        "redis://:p%40ss@h:6379/15",
        "rediss://user:pw@h.example.org:6380",
        "redis://[::1]:6379/0",
        "redis://h/",
        "unix:///run/redis.sock",
        "unix://user:pw@/run/redis.sock?db=3",
    ],
)
def test_an_address_is_taken_as_it_is(url: str) -> None:
    settings = RedisSettings(url=SecretStr(url))
    assert settings.url is not None
    assert settings.url.get_secret_value() == url


@pytest.mark.parametrize(
    ("url", "rule"),
    [
        ("Xq7planted", "must look like"),
        ("http://:Xq7planted@h", "must look like"),
        ("redis://:Xq7planted@", "must look like"),
        ("redis://:Xq7planted@h:0", "must look like"),
        ("redis://:Xq7planted@h:99999", "must look like"),
        ("redis://:Xq7planted@h:port", "must look like"),
        ("redis://:Xq7planted@h/main", "must look like"),
        ("redis://:Xq7planted@h/-1", "must look like"),
        ("redis://:Xq7planted@h/0#x", "must look like"),
        ("redis://[:Xq7planted@h", "must look like"),
        ("unix://:Xq7planted@", "must look like"),
        ("unix:///s?db=Xq7planted", "must look like"),
        ("redis://h?db=1&password=Xq7planted", r"does not know \(db, password\)"),
        ("rediss://h?ssl_cert_reqs=none", r"does not know \(ssl_cert_reqs\)"),
        ("redis://h?socket_timeout=60", r"does not know \(socket_timeout\)"),
    ],
)
def test_what_the_client_would_ignore_or_obey_unasked_is_refused(url: str, rule: str) -> None:
    with pytest.raises(ValidationError, match=rule) as caught:
        RedisSettings(url=SecretStr(url))
    assert "planted" not in str(caught.value)
    assert not find_in_traceback(caught.value, "Xq7planted")


def test_switched_on_it_needs_an_address(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REDIS_ENABLED", "true")
    assert problems() == {"REDIS_URL": "must be set where REDIS_ENABLED is on"}

    monkeypatch.setenv("REDIS_URL", "redis://localhost")
    assert load_settings().redis.enabled


@pytest.mark.parametrize(
    ("url", "accepted"),
    [
        ("redis://cache.example.org", False),
        ("redis://93.184.215.14", False),
        ("redis://[2606:2800:21f::1]:6379", False),
        ("redis://user@cache.example.org", False),
        ("rediss://cache.example.org", True),
        ("redis://:pw@cache.example.org", False),
        ("redis://redis:6379", False),
        ("redis://10.1.2.3", False),
        ("redis://[fd00::1]", False),
        ("redis://redis.shop.svc.cluster.local", False),
        ("redis://localhost", True),
        ("redis://127.0.0.2", True),
        ("redis://[::1]", True),
        ("unix:///run/redis.sock", True),
    ],
)
def test_production_refuses_one_elsewhere_that_is_not_encrypted(
    url: str, *, accepted: bool, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    production(monkeypatch, REDIS_URL=url)
    assert not load_settings().redis.enabled

    monkeypatch.setenv("REDIS_ENABLED", "true")
    if accepted:
        assert load_settings().redis.enabled
    else:
        assert problems().keys() == {"REDIS_URL"}
        monkeypatch.setenv("REDIS_ALLOW_PLAINTEXT", "true")
        assert [remark.variable for remark in load_settings().remarks()] == ["REDIS_ALLOW_PLAINTEXT"]
