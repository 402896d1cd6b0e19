"""Calls to the services of others: the way out, and the keys."""

import re
from collections.abc import Mapping
from typing import Annotated, Final

from pydantic import BeforeValidator, Field, SecretStr
from pydantic_settings import SettingsConfigDict

from app.core.config.section import SettingsSection

# A provider goes by one name here, in the secrets' paths and in code, so that one spelling is the only one.
PROVIDER_NAME: Final = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")
PROVIDER_RULE: Final = "up to 64 of a-z 0-9 . _ -, beginning with a letter or a digit"


def _split(value: object) -> object:
    if not isinstance(value, str):
        return value
    pairs = [entry.partition("=") for entry in value.split(",")]
    found = {name.strip(): key.strip() for name, _, key in pairs}
    if not all(found.values()) or not all(map(PROVIDER_NAME.fullmatch, found)):
        raise ValueError(f"must be provider=key, separated by commas; a provider has {PROVIDER_RULE}")
    return found


class HttpClientSettings(SettingsSection):
    """The pool of outgoing connections."""

    model_config = SettingsConfigDict(env_prefix="HTTP_CLIENT_")

    max_connections: int = Field(default=100, ge=1, le=10_000, description="Open connections of each process.")


class IntegrationsSettings(SettingsSection):
    """API keys of this installation as a whole, for organisations that have none of their own."""

    api_keys: Annotated[Mapping[str, SecretStr], BeforeValidator(_split)] = Field(
        default={},
        validation_alias="EXTERNAL_API_KEYS",
        description="provider=key, separated by commas.",
    )
