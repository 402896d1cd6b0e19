"""The way out to other services."""

from pydantic import Field, FilePath, SecretStr, field_validator
from pydantic_settings import SettingsConfigDict

from app.core.config.section import SettingsSection, Texts


class HttpClientSettings(SettingsSection):
    """The pool of outgoing connections, and the way out of this network."""

    model_config = SettingsConfigDict(env_prefix="HTTP_CLIENT_")

    max_connections: int = Field(
        default=100,
        ge=1,
        le=10_000,
        description="Connections to other services that each server process may have open.",
    )
    ca_file: FilePath | None = Field(
        default=None, description="Certificate authorities of your own (PEM), trusted beside the public ones."
    )
    proxy_url: SecretStr | None = Field(
        default=None, description="The proxy all calls go through: http://USER:PASSWORD@HOST:PORT."
    )
    traced_hosts: Texts = Field(
        default=(),
        description="Hosts of your own, separated by commas, that are told the request's id; .internal: all below.",
    )

    @field_validator("traced_hosts")
    @classmethod
    def _lower(cls, hosts: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(map(str.lower, hosts))

    @field_validator("proxy_url")
    @classmethod
    def _check_proxy(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None and not value.get_secret_value().startswith(("http://", "https://")):
            raise ValueError("must begin with http:// or https://")
        return value
