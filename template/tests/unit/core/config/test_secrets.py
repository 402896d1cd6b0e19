"""Keys as they are written in SECRETS_KEYS and EXTERNAL_API_KEYS."""

import base64
import hashlib

import pytest
from pydantic import SecretStr, ValidationError

from app.core.config import IntegrationsSettings, SecretsSettings
from app.core.config.secrets import new_key, parse_keys
from tests.traces import find_in_traceback


def encoded(material: bytes) -> str:
    return base64.b64encode(material).decode()


def material(number: int, length: int = 32) -> bytes:
    """Bytes that look random and are the same in every worker, which the names of the tests need."""
    return hashlib.sha512(bytes([number])).digest()[:length]


GOOD = encoded(material(1))


def test_a_generated_key_is_one_that_is_accepted() -> None:
    (key,) = parse_keys(new_key("k1"))
    assert (key.id, len(key.material)) == ("k1", 32)
    assert parse_keys(new_key())[0].id != parse_keys(new_key())[0].id


def test_keys_keep_their_order_and_may_be_url_safe() -> None:
    url_safe = b"\xfb\xff" + material(3, 46)
    text = f" b:{GOOD} , a:{base64.urlsafe_b64encode(url_safe).decode()} "
    keys = parse_keys(SecretStr(text))
    assert [key.id for key in keys] == ["b", "a"]
    assert keys[1].material.get_secret_value() == url_safe


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        (GOOD, "must be id:base64"),
        (f"k1:{GOOD},", "key 2 is not"),
        (f"k1:{GOOD}:x", "must be id:base64"),
        (f":{GOOD}", "must begin each key with an id"),
        (f"K1:{GOOD}", "must begin each key with an id"),
        (f"k 1:{GOOD}", "must begin each key with an id"),
        (f"k\N{CYRILLIC SMALL LETTER A}:{GOOD}", "must begin each key with an id"),
        (f"{'k' * 33}:{GOOD}", "must begin each key with an id"),
        (f"{GOOD}:k1", "must begin each key with an id"),
        (f"k1:{GOOD[:-4]}!!!!", "must hold base64"),
        (f"k1:{GOOD.rstrip('=')}", "must hold base64"),
        ("k1:", "shorter than 32 bytes"),
        (f"k1:{encoded(material(2, 31))}", "shorter than 32 bytes"),
        (f"k1:{encoded(bytes(32))}", "repeats itself"),
        (f"k1:{encoded(b'0123456789abcde' * 4)}", "repeats itself"),
        (f"k1:{encoded(b'correct horse battery staple 1234')}", "is text"),
        (f"k1:{GOOD},k1:{encoded(material(2))}", "must not use an id twice"),
        (f"k1:{GOOD},k2:{GOOD}", "must not hold a key twice"),
    ],
)
def test_a_key_that_is_malformed_or_weak_is_refused_without_being_shown(text: str, rule: str) -> None:
    with pytest.raises(ValidationError) as caught:
        SecretsSettings(keys=SecretStr(text))
    assert rule in str(caught.value)

    with pytest.raises(ValueError, match=rule) as plain:
        parse_keys(SecretStr(text))
    for part in (part for part in text.replace(",", ":").split(":") if len(part) > 8):
        assert not find_in_traceback(plain.value, part), part
        assert not find_in_traceback(caught.value, part), part
        assert part not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "keys"),
    [
        ("openai=sk-1, anthropic = a=b== ", {"openai": "sk-1", "anthropic": "a=b=="}),
        ('{"openai": "a,b", "x.y_z-1": "k"}', {"openai": "a,b", "x.y_z-1": "k"}),
    ],
)
def test_external_keys_are_a_list_or_json(text: str, keys: dict[str, str]) -> None:
    settings = IntegrationsSettings(external_api_keys=SecretStr(text))
    assert {name: key.get_secret_value() for name, key in settings.api_keys.items()} == keys


@pytest.mark.parametrize(
    "text",
    [
        "planted-value",
        "openai=planted-value,",
        "openai=planted-value,openai=other",
        "OpenAI=planted-value",
        "a/b=planted-value",
        "openai=planted-value,x=",
        '{"openai": "planted-value"',
        '{"openai": ["planted-value"]}',
        '{"openai": {"a": "planted-value"}}',
        '{"openai": "planted-value", "openai": "other"}',
        '{"openai": "planted-value", "": "other"}',
        "planted-value/=openai",
    ],
)
def test_malformed_external_keys_are_refused_without_being_shown(text: str) -> None:
    with pytest.raises(ValidationError) as caught:
        IntegrationsSettings(external_api_keys=SecretStr(text))
    assert "planted-value" not in str(caught.value)
    assert not find_in_traceback(caught.value, "planted-value")
