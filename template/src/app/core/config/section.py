"""The base of the settings' sections."""

import json
import re
from collections.abc import Iterator, Mapping
from enum import StrEnum
from ipaddress import ip_address
from typing import Annotated, Any, ClassVar, NamedTuple, TypeVar

from pydantic import AfterValidator, BeforeValidator, SecretStr
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

T = TypeVar("T", bound=str | SecretStr | tuple[str, ...])


class Environment(StrEnum):
    """The stage this process runs in, from `ENVIRONMENT`."""

    DEVELOPMENT = "development"
    STAGING = "staging"
    PRODUCTION = "production"


class Problem(NamedTuple):
    """A variable and the rule it breaks, a sentence without a colon: redaction takes what follows one for a key."""

    variable: str
    rule: str


def is_this_machine(host: str) -> bool:
    """Return True for a name or an address of the machine itself, to which nothing is sent over the network."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")


def matching(pattern: str, rule: str) -> AfterValidator:
    """Return a validator for `Annotated`: what does not match, as a whole or in a part of a list, is refused."""

    def check(value: T) -> T:
        # Refused where the text of a secret is still a SecretStr, so that no error holds it.
        text = value.get_secret_value() if isinstance(value, SecretStr) else value
        if not all(re.fullmatch(pattern, each) for each in ([text] if isinstance(text, str) else text)):
            raise ValueError(rule)
        return value

    return AfterValidator(check)


def _split(value: object) -> object:
    if not isinstance(value, str):
        return value
    if value.lstrip().startswith("["):
        return json.loads(value)
    return [entry.strip() for entry in value.split(",") if entry.strip()]


Texts = Annotated[tuple[str, ...], BeforeValidator(_split)]  # separated by commas, or JSON


class SettingsSection(BaseSettings):
    """The settings of one concern, whose values `load_settings()` reads from the environment."""

    model_config = SettingsConfigDict(
        frozen=True, extra="ignore", validate_default=True, hide_input_in_errors=True, validate_by_name=True
    )

    production_defaults: ClassVar[Mapping[str, object]] = {}  # by field; `load_settings()` applies them

    @classmethod
    def settings_customise_sources(cls, *_: Any, **sources: Any) -> tuple[PydanticBaseSettingsSource, ...]:  # noqa: ANN401
        """Take the arguments alone."""
        return (sources["init_settings"],)

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
