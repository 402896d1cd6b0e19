"""What is logged, and how."""

from enum import StrEnum

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

    level: LogLevel = Field(default=LogLevel.INFO, description="The least severe level that is logged.")
    format: LogFormat = Field(
        default=LogFormat.CONSOLE, description="One line per event: `console` for people, `json` for machines."
    )

    @field_validator("level", mode="before")
    @classmethod
    def _any_case(cls, value: object) -> object:
        return value.upper() if isinstance(value, str) else value
