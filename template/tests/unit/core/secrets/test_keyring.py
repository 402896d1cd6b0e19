"""Envelopes: what opens, what is refused, and that the format stays readable."""

import asyncio
import pickle
import threading
from base64 import b64decode

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from pydantic import SecretBytes, SecretStr

from app.core.config import IntegrationsSettings, SecretsSettings
from app.core.config.secrets import KeyMaterial, new_key, parse_keys
from app.core.secrets import (
    MalformedEnvelopeError,
    SecretsError,
    TamperedSecretError,
    UnknownKeyError,
    keyring,
    make_secrets_service,
)
from app.core.secrets.keyring import KeyRing
from app.core.secrets.paths import api_key_path
from tests.traces import find_in_traceback

PATH = api_key_path("acme", "openai")
VALUE = "planted-value-of-the-tests"
MATERIAL = bytes(range(0x60, 0x80))


def ring(*ids: str) -> KeyRing:
    return KeyRing(tuple(parse_keys(new_key(key_id))[0] for key_id in ids))


def known_ring() -> KeyRing:
    """Always of the same key."""
    return KeyRing((KeyMaterial("golden", SecretBytes(MATERIAL + b"\xff")),))


def test_what_is_sealed_opens_under_its_path() -> None:
    keys = ring("k1")
    for value in (VALUE, "x", "ключ 🔑\n", "y" * 16_384):
        opened = keys.open(keys.seal(SecretStr(value), path=PATH), path=PATH)
        assert opened.get_secret_value() == value


def test_an_envelope_is_what_its_documentation_says() -> None:
    """Opened here by hand, with nothing of the application's own code."""
    stored = known_ring().seal(SecretStr(VALUE), path=PATH)
    assert stored[:8] == b"\x01\x06golden"
    key = HKDF(SHA256(), 32, None, b"app.core.secrets/1/aes-256-gcm/golden").derive(MATERIAL + b"\xff")
    assert AESGCM(key).decrypt(stored[8:20], stored[20:], stored[:8] + PATH.encode()) == VALUE.encode()


def test_envelopes_of_earlier_releases_stay_readable() -> None:
    """When this fails, every secret of every installation is lost: bring the code back."""
    stored = b64decode("AQZnb2xkZW7svkc1KM+iUU++ZDNf8uuJo31SsDOh3pDLNDueMzqIhja+dz2j0lCNV/Qs25dUkCK+ao9RsEM=")
    assert known_ring().open(stored, path=PATH).get_secret_value() == VALUE


def test_a_flip_of_any_bit_is_refused() -> None:
    keys = ring("k1", "k0")
    stored = keys.seal(SecretStr(VALUE), path=PATH)
    for position in range(len(stored) * 8):
        altered = bytearray(stored)
        altered[position // 8] ^= 1 << position % 8
        with pytest.raises(SecretsError) as caught:
            keys.open(bytes(altered), path=PATH)
        assert not find_in_traceback(caught.value, VALUE)


def test_an_envelope_cut_off_or_extended_anywhere_is_refused() -> None:
    keys = ring("k1")
    stored = keys.seal(SecretStr(VALUE), path=PATH)
    for length in range(len(stored)):
        with pytest.raises(SecretsError):
            keys.open(stored[:length], path=PATH)
    with pytest.raises(TamperedSecretError):
        keys.open(stored + b"\0", path=PATH)


@pytest.mark.parametrize(
    "foreign",
    [
        b"",
        b"\x01",
        b"\x01\x00" + bytes(40),
        b"\x02\x02k1" + bytes(40),
        b"gAAAAABfernet-token",
        b"\x01\x02\xff\x00" + bytes(40),
    ],
)
def test_what_is_no_envelope_is_refused(foreign: bytes) -> None:
    with pytest.raises(MalformedEnvelopeError):
        ring("k1").open(foreign, path=PATH)


@pytest.mark.parametrize(
    "other",
    [
        api_key_path("acme", "anthropic"),
        api_key_path("acme", "openai", "red"),
        api_key_path("acm", "openai"),
        api_key_path("ACME", "openai"),
    ],
)
def test_an_envelope_opens_under_no_other_path(other: str) -> None:
    keys = ring("k1")
    stored = keys.seal(SecretStr(VALUE), path=PATH)
    with pytest.raises(TamperedSecretError):
        keys.open(stored, path=other)  # type: ignore[arg-type]


def test_all_keys_open_and_the_first_seals() -> None:
    old, new = parse_keys(new_key("old"))[0], parse_keys(new_key("new"))[0]
    stored = KeyRing((old,)).seal(SecretStr(VALUE), path=PATH)
    both = KeyRing((new, old))
    assert both.open(stored, path=PATH).get_secret_value() == VALUE

    moved = both.seal(both.open(stored, path=PATH), path=PATH)
    assert KeyRing((new,)).open(moved, path=PATH).get_secret_value() == VALUE
    with pytest.raises(UnknownKeyError) as caught:
        KeyRing((old,)).open(moved, path=PATH)
    assert caught.value.details == {"path": PATH, "key_id": "new"}


def test_an_envelope_cannot_be_passed_off_as_another_keys() -> None:
    """Even where the same bytes stand behind both ids: each id gives another key, and it is authenticated besides."""
    material = parse_keys(new_key("a"))[0].material
    stored = KeyRing((KeyMaterial("a", material),)).seal(SecretStr(VALUE), path=PATH)
    with pytest.raises(TamperedSecretError):
        KeyRing((KeyMaterial("b", material),)).open(stored.replace(b"\x01a", b"\x01b", 1), path=PATH)


def test_a_ring_shows_nothing_and_does_not_leave_the_process() -> None:
    keys = known_ring()
    for shown in (repr(keys), str(keys), f"{keys}", repr(KeyMaterial("golden", SecretBytes(MATERIAL + b"\xff")))):
        assert "`abc" not in shown
    assert repr(keys) == "KeyRing(…)"
    with pytest.raises(TypeError):
        pickle.dumps(keys)


def test_keys_are_derived_once_per_process(monkeypatch: pytest.MonkeyPatch) -> None:
    derived: list[str] = []
    derive = keyring._derive

    def counted(key: KeyMaterial) -> bytes:
        derived.append(key.id)
        return derive(key)

    monkeypatch.setattr(keyring, "_derive", counted)
    keys = SecretStr(f"{new_key('k2').get_secret_value()},{new_key('k1').get_secret_value()}")
    service = make_secrets_service(SecretsSettings(keys=keys), IntegrationsSettings())
    assert derived == [], "before the first secret is needed"

    def use() -> None:
        opened = service._keyring()
        for _ in range(20):
            opened.open(opened.seal(SecretStr(VALUE), path=PATH), path=PATH)

    threads = [threading.Thread(target=use) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    asyncio.run(asyncio.to_thread(use))
    assert derived == ["k2", "k1"]
