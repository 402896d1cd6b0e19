"""The ring of keys that the secrets in the database are encrypted with: `id:base64`, separated by commas.

A value that breaks a rule appears in no error, and in no local variable of a function that raises one: the parts of the
text stay inside `SecretStr`, since reporting tools print the local variables of a traceback.
"""

import base64
import itertools
import re
import secrets
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from pydantic import Field, SecretBytes, SecretStr, field_validator
from pydantic_settings import SettingsConfigDict

from app.core.config.section import SettingsSection

# AES-256 (FIPS 197) takes 256 bits, and HKDF can give no more entropy than it is given (RFC 5869, 4).
MIN_KEY_BYTES: Final = 32
# Stored with each secret; short, and readable in a query's output.
KEY_ID: Final = re.compile(r"[a-z0-9][a-z0-9._-]{0,31}")
_KEY_ID_RULE: Final = "up to 32 of a-z 0-9 . _ -, beginning with a letter or a digit"
# 32 random bytes hold fewer than 16 different ones about once in 10^20 times.
_MIN_DISTINCT_BYTES: Final = 16
_PRINTABLE: Final = frozenset(b" \t\r\n" + bytes(range(0x21, 0x7F)))


@dataclass(frozen=True)
class KeyMaterial:
    """A key by its id.

    Args:
        id: Up to 32 of `a-z 0-9 . _ -`, beginning with a letter or a digit.
        material: At least 32 random bytes.

    Raises:
        ValueError: One of them breaks its rule, which is the message.
    """

    id: str
    material: SecretBytes

    def __post_init__(self) -> None:
        if not KEY_ID.fullmatch(self.id):
            raise ValueError(f"has an id other than {_KEY_ID_RULE}")
        if len(self.material) < MIN_KEY_BYTES:
            raise ValueError(f"is shorter than {MIN_KEY_BYTES} bytes")
        if len(set(self.material.get_secret_value())) < _MIN_DISTINCT_BYTES:
            raise ValueError("repeats itself and is easy to guess")
        # Random bytes of this length are all printable ASCII once in 10^13 times; a passphrase always is.
        if all(map(_PRINTABLE.__contains__, self.material.get_secret_value())):
            raise ValueError("is text, not random bytes")


class SecretsSettings(SettingsSection):
    """The ring of keys. Without one, secrets are neither stored nor read; nothing else needs it."""

    model_config = SettingsConfigDict(env_prefix="SECRETS_")

    keys: SecretStr | None = Field(
        default=None,
        description="Keys as id:base64, separated by commas: the first encrypts, all decrypt. `app secrets keygen`.",
    )

    @field_validator("keys")
    @classmethod
    def _check_keys(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None:
            parse_keys(value)
        return value

    @property
    def key_materials(self) -> tuple[KeyMaterial, ...]:
        """The keys, in their order; empty when none is set."""
        return parse_keys(self.keys) if self.keys else ()


def parse_keys(text: SecretStr) -> tuple[KeyMaterial, ...]:
    """Return the keys of a setting, in their order.

    Raises:
        ValueError: The text breaks a rule, which is the message; it names a key by its place, never by its content.
    """
    keys = tuple(map(_parse_key, map(SecretStr, text.get_secret_value().split(",")), itertools.count(1)))
    check_ring(keys)
    return keys


def check_ring(keys: tuple[KeyMaterial, ...]) -> None:
    """Refuse keys that cannot be told apart.

    Raises:
        ValueError: There are none, or two have the same id or are the same.
    """
    if not keys:
        raise ValueError("must hold a key")
    if len({key.id for key in keys}) < len(keys):
        raise ValueError("must not use an id twice")
    if len({key.material for key in keys}) < len(keys):
        raise ValueError("must not hold a key twice under different ids")


def new_key(key_id: str | None = None) -> SecretStr:
    """Return a fresh key in the setting's format.

    Args:
        key_id: Its id; the date and some random digits unless given.

    Raises:
        ValueError: The id breaks the rule.
    """
    key = KeyMaterial(
        key_id or f"{datetime.now(UTC):%Y%m%d}-{secrets.token_hex(3)}", SecretBytes(secrets.token_bytes(MIN_KEY_BYTES))
    )
    return SecretStr(f"{key.id}:{base64.b64encode(key.material.get_secret_value()).decode()}")


def _parse_key(entry: SecretStr, number: int) -> KeyMaterial:
    if entry.get_secret_value().count(":") != 1:
        raise ValueError(f"must be id:base64, or several of them separated by commas; key {number} is not")
    if not KEY_ID.fullmatch(entry.get_secret_value().split(":")[0].strip()):
        raise ValueError(f"must begin each key with an id of {_KEY_ID_RULE}; key {number} does not")
    material = _decode(entry)
    if material is None:
        raise ValueError(f"must hold base64 behind the id, as `app secrets keygen` prints it; key {number} does not")
    try:
        return KeyMaterial(entry.get_secret_value().split(":")[0].strip(), material)
    except ValueError as error:
        raise ValueError(f"must hold keys as `app secrets keygen` prints them; key {number} {error}") from None


def _decode(entry: SecretStr) -> SecretBytes | None:
    """Return the bytes behind the id; None when they are not base64, in the standard or the URL-safe alphabet."""
    encoded = SecretStr(entry.get_secret_value().split(":")[1].strip().translate(str.maketrans("-_", "+/")))
    try:
        return SecretBytes(base64.b64decode(encoded.get_secret_value(), validate=True))
    except ValueError:
        return None
