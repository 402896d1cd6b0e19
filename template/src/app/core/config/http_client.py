"""Calls to the services of others: the way out, and the keys."""

import json
import re
from collections.abc import Mapping
from typing import Final

from pydantic import Field, SecretStr, field_validator
from pydantic_settings import SettingsConfigDict

from app.core.config.section import SettingsSection

# A provider goes by one name here, in the secrets' paths and in code, so that one spelling is the only one.
PROVIDER_NAME: Final = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")
PROVIDER_RULE: Final = "up to 64 of a-z 0-9 . _ -, beginning with a letter or a digit"


class HttpClientSettings(SettingsSection):
    """The pool of outgoing connections."""

    model_config = SettingsConfigDict(env_prefix="HTTP_CLIENT_")

    max_connections: int = Field(
        default=100,
        ge=1,
        le=10_000,
        description="Connections to other services that each server process may have open.",
    )


class IntegrationsSettings(SettingsSection):
    """API keys of this installation as a whole, for organisations that have none of their own."""

    external_api_keys: SecretStr | None = Field(
        default=None,
        description="provider=key, separated by commas; or a JSON object, which keys with commas in them need.",
    )

    @field_validator("external_api_keys")
    @classmethod
    def _check_keys(cls, value: SecretStr | None) -> SecretStr | None:
        rule = _broken_rule(value) if value is not None else None
        if rule is not None:
            # Raised here, where the text is still a SecretStr: see `secrets`.
            raise ValueError(rule)
        return value

    @property
    def api_keys(self) -> Mapping[str, SecretStr]:
        """The keys by their providers; empty when none is set."""
        return dict(_entries(self.external_api_keys) or ()) if self.external_api_keys else {}


def _broken_rule(text: SecretStr) -> str | None:
    entries = _entries(text)
    if entries is None:
        return "must be provider=key, separated by commas, or a JSON object of strings"
    names = [name for name, _ in entries]
    if not all(map(PROVIDER_NAME.fullmatch, names)) or len(set(names)) < len(names):
        return f"must name each provider once, with {PROVIDER_RULE}"
    if not all(value.get_secret_value() for _, value in entries):
        return "must have a key behind every provider"
    return None


def _entries(text: SecretStr) -> list[tuple[str, SecretStr]] | None:
    """Return providers and keys as they are written; None when they are in neither of the two forms."""
    content = text.get_secret_value().strip()
    if content.startswith("{"):
        try:
            pairs = json.loads(content, object_pairs_hook=list)
        except json.JSONDecodeError:
            return None
        if not all(isinstance(value, str) for _, value in pairs):
            return None
        return [(name, SecretStr(value)) for name, value in pairs]
    if not all("=" in entry for entry in content.split(",")):
        return None
    split = (entry.partition("=") for entry in content.split(","))
    return [(name.strip(), SecretStr(value.strip())) for name, _, value in split]
