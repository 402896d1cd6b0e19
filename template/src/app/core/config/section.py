"""What the sections of the settings have in common."""

from collections.abc import Iterator
from typing import NamedTuple

from pydantic_settings import BaseSettings, SettingsConfigDict

from app.core.stage import Environment


class Problem(NamedTuple):
    """One thing wrong with the settings: the variable and the rule it breaks, never the value."""

    variable: str
    rule: str


class SettingsSection(BaseSettings):
    """The settings of one concern, immutable once read.

    A variable that is set to nothing counts as not set: compose files and CI systems pass empty strings on.
    """

    model_config = SettingsConfigDict(
        frozen=True,
        extra="ignore",
        env_ignore_empty=True,
        env_file_encoding="utf-8",
        validate_default=True,
        hide_input_in_errors=True,
    )

    @classmethod
    def variable(cls, field: str) -> str:
        """The environment variable a field is read from."""
        alias = cls.model_fields[field].validation_alias
        return alias if isinstance(alias, str) else f"{cls.model_config.get('env_prefix', '')}{field}".upper()

    @classmethod
    def variables(cls) -> Iterator[str]:
        """Every environment variable this section reads."""
        return (cls.variable(field) for field in cls.model_fields)

    @property
    def stop_seconds(self) -> float:
        """The longest this concern takes to stop when the process does."""
        return 0

    def problems(self, environment: Environment) -> Iterator[Problem]:  # noqa: ARG002 — for sections to override
        """What is wrong with these settings in this stage though each value by itself is well-formed."""
        yield from ()
