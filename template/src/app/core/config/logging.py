"""Level and format of the log."""

from typing import ClassVar, Literal

from pydantic import Field, field_validator
from pydantic_settings import SettingsConfigDict

from app.core.config.section import SettingsSection


class LoggingSettings(SettingsSection):
    """Level and format of the log, which goes to standard output."""

    model_config = SettingsConfigDict(env_prefix="LOG_")

    production_defaults: ClassVar = {"format": "json"}

    level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field(default="INFO", description="The least that is logged.")
    format: Literal["console", "json"] = Field(default="console", description="For people, or for machines.")

    @field_validator("level", mode="before")
    @classmethod
    def _any_level(cls, value: str) -> str:
        """Accept any case, and the other name that the standard library has for `WARNING`."""
        return "WARNING" if value.upper() == "WARN" else value.upper()

    @field_validator("format", mode="before")
    @classmethod
    def _any_format(cls, value: str) -> str:
        """Accept any case, and the other name of `console`."""
        return "console" if value.lower() == "text" else value.lower()
