"""Secrets at rest: the envelopes that open, those that are refused, a format that stays readable, and the paths."""

import threading
from base64 import b64decode
from uuid import UUID

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from pydantic import SecretBytes, SecretStr

from app.core.config.secrets import KeyMaterial, new_key, parse_keys
from app.core.exceptions import ValidationError
from app.core.secrets import KeyRing, SecretsError, SecretsService, api_key_path

PATH = api_key_path("acme", "openai")
VALUE = "planted-value-of-the-tests"
MATERIAL = bytes([*range(0x60, 0x80), 0xFF])


def ring(*ids: str) -> KeyRing:
    return KeyRing([parse_keys(new_key(key_id))[0] for key_id in ids])


def known_ring() -> KeyRing:
    """Always of the same key."""
    return KeyRing([KeyMaterial("golden", SecretBytes(MATERIAL))])


def test_seal_makes_an_envelope_as_its_documentation_says() -> None:
    """Opened here by hand, with nothing of the application's own code."""
    stored = known_ring().seal(SecretStr(VALUE), path=PATH)
    assert stored[:8] == b"\x01\x06golden"
    key = HKDF(SHA256(), 32, None, b"app.core.secrets/1/aes-256-gcm/golden").derive(MATERIAL)
    assert AESGCM(key).decrypt(stored[8:20], stored[20:], stored[:8] + PATH.encode()) == VALUE.encode()


def test_open_reads_envelopes_of_earlier_releases() -> None:
    """When this fails, every secret of every installation is lost: bring the code back."""
    stored = b64decode("AQZnb2xkZW7svkc1KM+iUU++ZDNf8uuJo31SsDOh3pDLNDueMzqIhja+dz2j0lCNV/Qs25dUkCK+ao9RsEM=")
    assert known_ring().open(stored, path=PATH).get_secret_value() == VALUE


def test_open_refuses_an_envelope_altered_or_cut_off_anywhere() -> None:
    keys = ring("k1", "k0")
    stored = keys.seal(SecretStr(VALUE), path=PATH)
    flipped = [
        stored[:at] + bytes([stored[at] ^ 1 << bit]) + stored[at + 1 :] for at in range(len(stored)) for bit in range(8)
    ]
    for altered in [*flipped, *(stored[:length] for length in range(len(stored))), stored + b"\0"]:
        with pytest.raises(SecretsError):
            keys.open(altered, path=PATH)
    for foreign in (b"\x01\x00", b"\x02\x02k1", b"gAAAAABfernet-token", b"\x01\x02\xff\x00"):
        with pytest.raises(SecretsError, match="in no format"):
            keys.open(foreign + bytes(40), path=PATH)


def test_keys_are_derived_once_per_process(monkeypatch: pytest.MonkeyPatch) -> None:
    derived: list[bytes] = []
    derive = HKDF.derive

    def counted(kdf: HKDF, material: bytes) -> bytes:
        derived.append(material)
        return derive(kdf, material)

    monkeypatch.setattr(HKDF, "derive", counted)
    keys = [parse_keys(new_key(key_id))[0] for key_id in ("k2", "k1")]
    service = SecretsService(keys=keys, environment={})
    assert derived == [], "before the first secret is needed"

    threads = [threading.Thread(target=service.keyring) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert derived == [key.material.get_secret_value() for key in keys]


def test_api_key_path_is_as_documented_and_no_two_places_share_one() -> None:
    assert api_key_path("acme", "openai") == "/organizations/acme/openai_api_key"
    assert api_key_path("acme", "openai", "red") == "/organizations/acme/teams/red/openai_api_key"
    key = UUID("018F6B6A-0000-7000-8000-00000000000A")
    assert api_key_path(key, "x") == "/organizations/018f6b6a-0000-7000-8000-00000000000a/x_api_key"
    parts = ["teams", "a", "a_api_key", "teams_api_key", "a.b"]
    made = [api_key_path(org, provider, team) for org in parts for provider in parts for team in (None, *parts)]
    assert len(set(made)) == len(made)


@pytest.mark.parametrize(
    "part",
    ["", "..", "a/b", "acme/teams/red", "a b", "acme\n", "ac\x00me", "%2e%2e", "-a", "аcme", "acme٣", "x" * 65],  # noqa: RUF001
)
def test_api_key_path_refuses_a_malformed_part_wherever_it_stands(part: str) -> None:
    for field, arguments in {
        "org_id": (part, "openai", None),
        "provider": ("acme", part, None),
        "team_id": ("acme", "openai", part),
    }.items():
        with pytest.raises(ValidationError) as caught:
            api_key_path(*arguments)
        assert caught.value.field == field
