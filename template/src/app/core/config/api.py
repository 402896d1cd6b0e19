"""How the HTTP interface is served."""

from collections.abc import Iterator

from pydantic import Field
from pydantic_settings import SettingsConfigDict

from app.core.config.section import Problem, SettingsSection
from app.core.stage import Environment


class ApiSettings(SettingsSection):
    """Where the server listens and what a request may cost."""

    model_config = SettingsConfigDict(env_prefix="API_")

    host: str = Field(
        default="127.0.0.1",
        description="The address the server listens on; 0.0.0.0 inside a container.",
    )
    port: int = Field(default=8000, ge=1, le=65535, description="The port the server listens on.")
    workers: int = Field(
        default=1, ge=1, le=256, description="Server processes. Each has its own pool of database connections."
    )
    graceful_shutdown_seconds: int = Field(
        default=20, ge=1, le=600, description="How long requests under way may take to finish when the server stops."
    )
    trusted_proxies: str = Field(
        default="127.0.0.1",
        description="Addresses or networks, separated by commas, whose X-Forwarded-* headers are believed.",
    )
    max_body_bytes: int = Field(
        default=1_048_576, ge=1024, le=1_073_741_824, description="The largest request body that is read."
    )
    docs_enabled: bool = Field(default=True, description="Whether /docs, /redoc and /openapi.json are served.")
    debug: bool = Field(
        default=False,
        validation_alias="DEBUG",
        description="Whether the answer to an unexpected error carries its traceback. Refused in production.",
    )

    def problems(self, environment: Environment) -> Iterator[Problem]:
        """Production shows no tracebacks."""
        if self.debug and environment is Environment.PRODUCTION:
            yield Problem("DEBUG", "must be off in production, since it shows tracebacks to callers")
