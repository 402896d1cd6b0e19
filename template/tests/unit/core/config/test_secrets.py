"""Keys as they are written in SECRETS_KEYS, and in the variables of other services."""

import base64
import hashlib
from pathlib import Path

import pytest
from pydantic import SecretStr

from app.core.config import ApplicationSettings, loading
from app.core.config.loading import load_settings
from app.core.config.secrets import IntegrationsSettings, new_key, parse_keys
from tests.environments import problems


def encoded(material: bytes) -> str:
    return base64.b64encode(material).decode()


def material(number: int, length: int = 32) -> bytes:
    """Bytes that look random and are the same in every worker, which the names of the tests need."""
    return hashlib.sha512(bytes([number])).digest()[:length]


GOOD = encoded(material(1))


def test_new_key_is_one_that_parse_keys_accepts() -> None:
    (key,) = parse_keys(new_key("k1"))
    assert (key.id, len(key.material)) == ("k1", 32)
    assert parse_keys(new_key())[0].id != parse_keys(new_key())[0].id


def test_parse_keys_keeps_their_order() -> None:
    keys = parse_keys(SecretStr(f" b:{GOOD} , a:{encoded(material(3, 46))} "))
    assert [key.id for key in keys] == ["b", "a"]
    assert keys[1].material.get_secret_value() == material(3, 46)


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        (GOOD, "must be id:base64"),
        (f"k1:{GOOD},", "must be id:base64"),
        (f"k\N{CYRILLIC SMALL LETTER A}:{GOOD}", "must be id:base64"),
        (f"k1:{GOOD}:x", "must be id:base64"),
        (f"k1:{GOOD.rstrip('=')}", "must be id:base64"),
        (f"k1:{encoded(material(2, 31))}", "32 bytes or more"),
        (f"k1:{encoded(bytes(32))}", "easy to guess"),
        (f"k1:{encoded(b'correct horse battery staple 1234')}", "easy to guess"),
        (f"k1:{GOOD},k1:{encoded(material(2))}", "must not use an id twice"),
    ],
)
def test_secrets_keys_that_are_malformed_or_weak_are_refused_without_being_shown(
    text: str, rule: str, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SECRETS_KEYS", text)

    found = problems()

    assert found.keys() == {"SECRETS_KEYS"}
    assert rule in found["SECRETS_KEYS"]
    assert not any(part in str(found) for part in text.replace(",", ":").split(":") if len(part) > 8)


def test_integrations_have_the_key_of_each_provider_that_a_field_declares(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Declared(IntegrationsSettings):
        maps_api_key: SecretStr | None = None
        weather_api_key: SecretStr | None = None

    class Own(ApplicationSettings):
        integrations: Declared

    monkeypatch.setattr(loading, "ApplicationSettings", Own)
    (project / ".env").write_text("MAPS_API_KEY=Xq7planted\n")

    assert load_settings().integrations.api_keys == {"maps": SecretStr("Xq7planted")}
