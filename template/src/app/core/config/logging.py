"""Level and format of the log."""

from enum import StrEnum
from typing import ClassVar

from pydantic import Field, field_validator
from pydantic_settings import SettingsConfigDict

from app.core.config.section import SettingsSection


class LogLevel(StrEnum):
    """The levels of the standard library's `logging`."""

    DEBUG = "DEBUG"
    INFO = "INFO"
    WARNING = "WARNING"
    ERROR = "ERROR"


class LogFormat(StrEnum):
    """`console` for people, `json` for machines."""

    CONSOLE = "console"
    JSON = "json"


class LoggingSettings(SettingsSection):
    """Level and format of the log, which goes to standard output."""

    model_config = SettingsConfigDict(env_prefix="LOG_")

    production_defaults: ClassVar = {"format": LogFormat.JSON}

    level: LogLevel = Field(default=LogLevel.INFO, description="The least severe level that is logged.")
    format: LogFormat = Field(
        default=LogFormat.CONSOLE,
        description="One line per event: `console` for people, `json` for machines, which is production's default.",
    )

    @field_validator("level", "format", mode="before")
    @classmethod
    def _other_spellings(cls, value: object) -> str:
        """Accept any case, and the other names that `WARNING` and `console` have."""
        spelling = str(value).lower()
        name = {"warn": "warning", "text": "console"}.get(spelling, spelling)
        return name if name in list(LogFormat) else name.upper()
