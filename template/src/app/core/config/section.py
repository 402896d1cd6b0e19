"""The base of the settings' sections."""

import json
from collections.abc import Iterator, Mapping
from ipaddress import ip_address
from typing import Annotated, ClassVar, NamedTuple

from pydantic import BeforeValidator
from pydantic_settings import BaseSettings, SettingsConfigDict

from app.core.stage import Environment


class Problem(NamedTuple):
    """A fault of the settings: the variable and the rule that it breaks, never the value.

    The rule begins with a verb ("must be …"), so that both make a sentence. There is no colon between them: redaction
    takes what follows `SECRET_KEY:` for a key.
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
        try:
            return json.loads(value)
        except json.JSONDecodeError:
            raise ValueError("must be a list separated by commas, or a JSON list of strings") from None
    return [entry.strip() for entry in value.split(",") if entry.strip()]


# A setting that is a list: separated by commas, or JSON.
Texts = Annotated[tuple[str, ...], BeforeValidator(_split)]


class SettingsSection(BaseSettings):
    """The settings of one concern, immutable once read.

    A variable that is set to nothing counts as not set: compose files and CI systems pass empty strings on.
    """

    model_config = SettingsConfigDict(
        frozen=True,
        extra="ignore",
        enable_decoding=False,
        env_ignore_empty=True,
        validate_default=True,
        hide_input_in_errors=True,
    )

    # Defaults that production has of its own, by field; the loader applies them.
    production_defaults: ClassVar[Mapping[str, object]] = {}

    @classmethod
    def keyword(cls, field: str) -> str:
        """Return the keyword argument that sets a field."""
        alias = cls.model_fields[field].validation_alias
        return alias if isinstance(alias, str) else field

    @classmethod
    def variable(cls, field: str) -> str:
        """Return the environment variable that a field is read from."""
        keyword = cls.keyword(field)
        return (keyword if keyword != field else f"{cls.model_config.get('env_prefix', '')}{field}").upper()

    @classmethod
    def variables(cls) -> Iterator[str]:
        """Yield each environment variable that this section reads."""
        return (cls.variable(field) for field in cls.model_fields)

    @property
    def stop_seconds(self) -> float:
        """The longest that this concern takes to stop when the process does."""
        return 0

    def remarks(self, environment: Environment) -> Iterator[Problem]:  # noqa: ARG002 — for sections to override
        """Yield what was set on purpose and is yet worth a line of `app doctor`."""
        yield from ()

    def problems(self, environment: Environment) -> Iterator[Problem]:  # noqa: ARG002 — for sections to override
        """Yield what is wrong with these settings in this stage though each value by itself is well-formed.

        A value that is not well-formed has been reported already; its default stands in for it here, as if it were set.
        """
        yield from ()
