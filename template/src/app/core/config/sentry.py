"""The service that errors are reported to."""

from collections.abc import Iterator
from typing import Final
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, field_validator
from pydantic_settings import SettingsConfigDict

from app.core.config.section import Environment, Problem, SettingsSection

_DSN_RULE: Final = "must be https://KEY@HOST/PROJECT, as Sentry shows it under Client Keys"


class SentrySettings(SettingsSection):
    """Sentry, or a service that speaks its protocol."""

    model_config = SettingsConfigDict(env_prefix="SENTRY_")

    enabled: bool = Field(default=False, description="Send reports to Sentry; the log has them either way.")
    dsn: SecretStr | None = Field(
        default=None,
        description="The project's address: https://KEY@HOST/PROJECT. Needed when enabled.",
        examples=["https://key-of-the-project@sentry.example.com/1"],
    )
    # Sentry's own rules for the two names (its documentation, "Environments" and "Releases").
    environment: str | None = Field(
        default=None, pattern=r"^[^\s/]{1,64}$", description="Name of this installation; ENVIRONMENT unless set."
    )
    release: str | None = Field(
        default=None, pattern=r"^[^\s/\\]{1,200}$", description="The project's name and version unless set."
    )
    traces_sample_rate: float = Field(default=0, ge=0, le=1, description="Share of requests sent with their spans.")
    send_personal_data: bool = Field(default=False, description="A user's e-mail address and name along with the id.")
    flush_seconds: float = Field(default=2, ge=0, le=10, description="For what a process that stops has not sent yet.")
    queue_size: int = Field(default=100, ge=1, le=10_000, description="Reports that may wait; more are dropped.")

    @field_validator("dsn")
    @classmethod
    def _check_dsn(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None and not _is_dsn(value):
            # Raised here, where the text is still a SecretStr: see `secrets`.
            raise ValueError(_DSN_RULE)
        return value

    def problems(self, environment: Environment) -> Iterator[Problem]:  # noqa: ARG002 — the same in every stage
        """Yield the address that is missing where it is switched on."""
        if self.enabled and self.dsn is None:
            yield Problem("SENTRY_DSN", "must be set where SENTRY_ENABLED is true")


def _is_dsn(dsn: SecretStr) -> bool:
    text = dsn.get_secret_value()
    try:
        parts = urlsplit(text)
        # Asked for because reading them is what finds a malformed port.
        well_formed = parts.scheme in {"http", "https"} and parts.port != 0
    except ValueError:
        return False
    project = parts.path.rpartition("/")[2]
    is_number = project.isascii() and project.isdigit()
    odd = parts.query or parts.fragment or any(map(str.isspace, text))
    return bool(well_formed and parts.username and parts.hostname and is_number and not odd)
