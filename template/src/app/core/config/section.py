"""The base of the settings' sections."""

import json
from collections.abc import Iterator, Mapping
from enum import StrEnum
from ipaddress import ip_address
from typing import Annotated, ClassVar, NamedTuple

from pydantic import BeforeValidator
from pydantic_settings import BaseSettings, SettingsConfigDict


class Environment(StrEnum):
    """The stage this process runs in, from `ENVIRONMENT`."""

    DEVELOPMENT = "development"
    STAGING = "staging"
    PRODUCTION = "production"


class Problem(NamedTuple):
    """A fault of the settings: the variable and the rule that it breaks, never the value.

    Both make a sentence ("… must be …") without a colon: redaction takes what follows `SECRET_KEY:` for a key.
    """

    variable: str
    rule: str


def is_this_machine(host: str) -> bool:
    """Return True for a name or an address of the machine itself, to which nothing is sent over the network."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")


def _split(value: object) -> object:
    if not isinstance(value, str):
        return value
    if value.lstrip().startswith("["):
        return json.loads(value)
    return [entry.strip() for entry in value.split(",") if entry.strip()]


# A setting that is a list: separated by commas, or JSON.
Texts = Annotated[tuple[str, ...], BeforeValidator(_split)]


class SettingsSection(BaseSettings):
    """The settings of one concern. An empty variable counts as not set: compose files and CI systems pass them on."""

    model_config = SettingsConfigDict(
        frozen=True,
        extra="ignore",
        enable_decoding=False,
        env_ignore_empty=True,
        validate_default=True,
        hide_input_in_errors=True,
        loc_by_alias=False,
    )

    # Defaults that production has of its own, by field; `load_settings()` applies them.
    production_defaults: ClassVar[Mapping[str, object]] = {}

    @classmethod
    def variables(cls) -> dict[str, str]:
        """Return the environment variable of each field."""
        prefix = cls.model_config.get("env_prefix", "")
        return {
            name: str(field.validation_alias or f"{prefix}{name}").upper() for name, field in cls.model_fields.items()
        }

    def problems(self, environment: Environment) -> Iterator[Problem]:  # noqa: ARG002 — for sections to override
        """Yield what is wrong with these settings in this stage though each value by itself is well-formed."""
        yield from ()

    def remarks(self, environment: Environment) -> Iterator[Problem]:  # noqa: ARG002 — for sections to override
        """Yield what was set on purpose and is yet worth a line of `app doctor`."""
        yield from ()
