"""Keys: the ring that secrets in the database are encrypted with, and those of other services."""

import base64
import re
import secrets
from contextlib import suppress
from datetime import UTC, datetime
from typing import Annotated, Final, NamedTuple

from pydantic import AfterValidator, Field, SecretBytes, SecretStr
from pydantic_settings import SettingsConfigDict

from app.core.config.section import SettingsSection

# AES-256 (FIPS 197) takes 256 bits, and HKDF can give no more entropy than it is given (RFC 5869, 4).
_MIN_KEY_BYTES: Final = 32
KEY_ID: Final = re.compile(r"[a-z0-9][a-z0-9._-]{0,31}")  # stored with each secret
_SHAPE: Final = (
    "must be id:base64, or several after commas, as `app secrets keygen` prints them, each with an id of up to 32 of "
    f"a-z 0-9 . _ - and a key of {_MIN_KEY_BYTES} bytes or more"
)


class KeyMaterial(NamedTuple):
    """A key by its id."""

    id: str
    material: SecretBytes


def parse_keys(text: SecretStr) -> tuple[KeyMaterial, ...]:
    """Return the keys of a setting, in their order; ValueError with the rule that one breaks."""
    keys = tuple(map(_parse_key, text.get_secret_value().split(",")))
    if len({key.id for key in keys}) < len(keys):
        raise ValueError("must not use an id twice")
    return keys


def new_key(key_id: str | None = None) -> SecretStr:
    """Return a fresh key in the setting's format; its id is the date and some random digits unless given."""
    key_id = key_id or f"{datetime.now(UTC):%Y%m%d}-{secrets.token_hex(3)}"
    return SecretStr(f"{key_id}:{base64.b64encode(secrets.token_bytes(_MIN_KEY_BYTES)).decode()}")


def _parse_key(entry: str) -> KeyMaterial:
    key_id, _, encoded = entry.strip().partition(":")
    material = b""
    with suppress(ValueError):
        material = base64.b64decode(encoded, validate=True)
    if not KEY_ID.fullmatch(key_id) or len(material) < _MIN_KEY_BYTES:
        raise ValueError(_SHAPE)
    # 32 random bytes hold fewer than 16 different ones once in 10^20 times, and are all printable once in 10^13.
    if len(set(material)) < _MIN_KEY_BYTES / 2 or (material.isascii() and material.decode().isprintable()):
        raise ValueError(f"must hold random keys, as `app secrets keygen` prints them; {key_id} is easy to guess")
    return KeyMaterial(key_id, SecretBytes(material))


class IntegrationsSettings(SettingsSection):
    """API keys of this installation as a whole, for organisations that have none of their own.

    A provider's is `{PROVIDER}_API_KEY`, once a field declares it: `maps_api_key: SecretStr | None = None`.
    """

    # Yours below this line.

    @property
    def api_keys(self) -> dict[str, SecretStr]:
        """The keys that are set, by their providers."""
        return {name.removesuffix("_api_key"): key for name, key in self if key is not None}


class SecretsSettings(SettingsSection):
    """The ring of keys. Without one, secrets are neither stored nor read; nothing else needs it."""

    model_config = SettingsConfigDict(env_prefix="SECRETS_")

    keys: Annotated[SecretStr, AfterValidator(lambda keys: parse_keys(keys) and keys)] | None = Field(
        default=None,
        description="Keys as id:base64, separated by commas: the first encrypts, all decrypt. `app secrets keygen`.",
    )

    @property
    def key_materials(self) -> tuple[KeyMaterial, ...]:
        """The keys, in their order; empty when none is set."""
        return parse_keys(self.keys) if self.keys else ()
