"""What the secrets in the database are encrypted with."""

from pydantic import Field, SecretStr, field_validator
from pydantic_settings import SettingsConfigDict

from app.core.config.secret_keys import KeyMaterial, parse_keys
from app.core.config.section import SettingsSection


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
