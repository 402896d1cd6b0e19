"""The work of a process beside its requests: log, cache, metrics and traces, jobs, mail, the deletion of old rows."""

from collections.abc import Iterator
from typing import Annotated, ClassVar, Literal

from pydantic import Field, SecretStr, field_validator
from pydantic_settings import SettingsConfigDict

from app.core.config.section import Environment, Problem, SettingsSection, is_this_machine, matching

_Sender = Annotated[
    str, matching(r"([^<>@\x00-\x1f]+ <[^<>\s]+@[^<>\s]+>|[^<>\s]+@[^<>\s]+)", "must be an address, or NAME <ADDRESS>")
]
_Url = Annotated[
    str, matching(r"https?://[A-Za-z0-9.\-\[\]:]+(/[^\s?#]*[^\s?#/])?", "must be as https://a.example, no / behind")
]


class LoggingSettings(SettingsSection):
    """Level and format of the log, which goes to standard output."""

    model_config = SettingsConfigDict(env_prefix="LOG_")

    production_defaults: ClassVar = {"format": "json"}

    level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field(default="INFO", description="The least that is logged.")
    format: Literal["console", "json"] = Field(default="console", description="For people, or for machines.")

    @field_validator("level", "format", mode="before")
    @classmethod
    def _any_case(cls, value: str) -> str:
        """Accept any case, and the other names of `WARNING` and `console`."""
        upper = value.upper()
        return {"WARN": "WARNING", "TEXT": "console", "CONSOLE": "console", "JSON": "json"}.get(upper, upper)


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
        default=None, ge=1, le=65535, description="Port of API_HOST with /metrics for Prometheus; none unless set."
    )
    traces_endpoint: str | None = Field(
        default=None,
        pattern=r"^https?://[^\s/?#@]+(/[^\s?#]*)?$",
        description="The OTLP collector (HTTP) that spans are sent to; no traces unless set.",
        examples=["http://collector:4318"],
    )
    traces_sample_rate: float = Field(default=1, ge=0, le=1, description="Share of the traces that begin here.")


class JobSettings(SettingsSection):
    """The limits of `app worker`, in seconds where they are times; a process of the web server only writes jobs."""

    model_config = SettingsConfigDict(env_prefix="JOBS_")

    # A worker opens up to twice as many connections, and two more.
    concurrency: int = Field(default=10, ge=2, le=500, description="Jobs that a worker runs at a time.")
    # Less than a busy event loop may stand still, and jobs run twice.
    lease_seconds: float = Field(default=30, ge=1, le=600, description="Silence after which jobs are another worker's.")
    poll_seconds: float = Field(default=2, gt=0, le=30, description="Between looks for retries that are due.")
    grace_seconds: float = Field(default=25, ge=0, le=3600, description="For jobs under way when the worker stops.")


class RetentionSettings(SettingsSection):
    """The days that rows are kept which have had their use; a nightly job and `app db purge` delete older ones."""

    model_config = SettingsConfigDict(env_prefix="RETENTION_")

    # An access token lives for a day at most, and asks for its session as long as it does.
    session_days: int = Field(default=30, ge=2, le=3650, description="Ended sessions, tokens, unconfirmed users.")
    api_key_days: int = Field(default=90, ge=1, le=3650, description="Revoked and expired API keys.")
    job_days: int = Field(default=30, ge=1, le=3650, description="The log of the job queue.")
    failed_job_days: int = Field(default=90, ge=1, le=3650, description="Jobs put aside: `app jobs list --failed`.")


class MailSettings(SettingsSection):
    """Mail to users: confirmations of addresses, new passwords, and what you add."""

    model_config = SettingsConfigDict(env_prefix="MAIL_")

    production_defaults: ClassVar = {"backend": "off"}

    # `files` are written to .data/mail, for development; `off`: what needs mail answers 503.
    backend: Literal["off", "files", "smtp"] = Field(default="files", description="The way that mail takes.")
    sender: _Sender = Field(default="no-reply@localhost", description="Its address, with or without a name.")
    host: str = Field(default="localhost", description="The mail server.")
    port: int = Field(default=587, ge=1, le=65535, description="Its port: 587 for STARTTLS, 465 for TLS.")
    username: str | None = Field(default=None, description="The name to log in with there.")
    password: SecretStr | None = Field(default=None, description="The password to log in with there.")
    tls: Literal["starttls", "tls", "none"] = Field(default="starttls", description="Encryption of the connection.")
    timeout_seconds: float = Field(default=20, gt=0, le=300, description="Limit for sending one message.")
    frontend_url: _Url = Field(
        default="http://localhost:3000", validation_alias="FRONTEND_URL", description="The pages that links lead to."
    )

    def problems(self, environment: Environment) -> Iterator[Problem]:
        """Yield what would keep mail, or the links in it, from arriving."""
        if environment is not Environment.PRODUCTION or self.backend == "off":
            return
        if self.backend == "files":
            yield Problem("MAIL_BACKEND", "must be smtp or off in production: files reach no user")
            return
        if self.tls == "none" and not is_this_machine(self.host):
            yield Problem("MAIL_TLS", "must be starttls or tls, since MAIL_HOST is another machine's")
        for field in ("sender", "frontend_url"):
            if field not in self.model_fields_set:
                yield Problem(self.variables()[field], "must be set where mail is sent")

    def remarks(self, environment: Environment) -> Iterator[Problem]:
        """Yield what does not work without mail."""
        if environment is Environment.PRODUCTION and self.backend == "off":
            yield Problem("MAIL_BACKEND", "is off: no mail is sent, and what needs it answers 503")
