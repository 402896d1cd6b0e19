"""The parts that every process has: its log, its cache, and what it tells."""

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


class CacheSettings(SettingsSection):
    """The cache that all requests of a process share."""

    model_config = SettingsConfigDict(env_prefix="CACHE_")

    default_ttl_seconds: float = Field(default=300, gt=0, le=31_622_400, description="Unless the code says otherwise.")
    max_entries: int = Field(default=1000, ge=1, le=10_000_000, description="Values that a process keeps in memory.")
    key_prefix: str | None = Field(
        default=None, pattern=r"^[A-Za-z0-9_.-]{1,64}$", description="In front of keys; else the project's name."
    )


class TelemetrySettings(SettingsSection):
    """Metrics and traces: each is switched on by one variable."""

    model_config = SettingsConfigDict(env_prefix="TELEMETRY_")

    metrics_port: int | None = Field(
        default=None,
        ge=1,
        le=65535,
        description="Prometheus reads /metrics on this port of API_HOST; no metrics unless set.",
    )
    traces_endpoint: str | None = Field(
        default=None,
        pattern=r"^https?://[^\s/?#@]+(/[^\s?#]*)?$",
        description="The address of an OTLP collector (HTTP) that spans are sent to; no traces unless set.",
        examples=["http://collector:4318"],
    )
    traces_sample_rate: float = Field(
        default=1, ge=0, le=1, description="The share of traces that is sent, of those that begin here."
    )
