"""A server that all processes of this service share what they remember in."""

from collections.abc import Iterator
from typing import Final
from urllib.parse import parse_qsl, urlsplit

from pydantic import Field, FilePath, SecretStr, field_validator
from pydantic_settings import SettingsConfigDict

from app.core.config.section import Environment, Problem, SettingsSection, is_this_machine

_SHAPE: Final = "must look like redis://USER:PASSWORD@HOST:6379/0, rediss://… for TLS, or unix:///SOCKET?db=0"


class RedisSettings(SettingsSection):
    """The address of Redis, or of another server that speaks its protocol, and the limits of waiting for it."""

    model_config = SettingsConfigDict(env_prefix="REDIS_")

    enabled: bool = Field(default=False, description="Share the cache and the rate limits between processes.")
    url: SecretStr | None = Field(
        default=None,
        description="redis://USER:PASSWORD@HOST:6379/0; rediss:// with TLS; unix:///SOCKET?db=0.",
        examples=["rediss://app:password-of-the-app@redis.example.com:6379/0"],
    )
    ca_file: FilePath | None = Field(
        default=None, description="The certificate authorities (PEM) that rediss:// trusts; the system's unless set."
    )
    allow_plaintext: bool = Field(
        default=False,
        description="Let production reach a server elsewhere without TLS, where everything on the way is trusted.",
    )
    timeout_seconds: float = Field(
        default=0.25,
        ge=0.01,
        le=10,
        description="The longest a request waits for it: for a free connection, for connecting and for the answer.",
    )
    pool_size: int = Field(default=20, ge=1, le=10_000, description="Connections that each server process keeps.")
    retry_seconds: float = Field(
        default=1, ge=0.05, le=60, description="The pause after a failure, until a request asks it again for all."
    )

    @field_validator("url")
    @classmethod
    def _check_url(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None and (rule := _broken_rule(value)):
            raise ValueError(rule)
        return value

    def problems(self, environment: Environment) -> Iterator[Problem]:
        """Yield what is switched on without an address or, in production, is readable on the way."""
        if not self.enabled:
            return
        if self.url is None:
            yield Problem("REDIS_URL", "must be set where REDIS_ENABLED is on")
        elif environment is Environment.PRODUCTION and self._is_plain and not self.allow_plaintext:
            yield Problem(
                "REDIS_URL",
                "must be rediss://, since it is another machine's; or set REDIS_ALLOW_PLAINTEXT=true where "
                "everything on the way is trusted",
            )

    def remarks(self, environment: Environment) -> Iterator[Problem]:
        """Yield encryption that is switched off though the server is elsewhere."""
        if self.enabled and environment is Environment.PRODUCTION and self._is_plain:
            yield Problem("REDIS_ALLOW_PLAINTEXT", "is true: passwords and data go to REDIS_URL as they are")

    @property
    def _is_plain(self) -> bool:
        url = urlsplit(self.url.get_secret_value() if self.url else "")
        return url.scheme == "redis" and not is_this_machine(url.hostname or "")


def _broken_rule(text: SecretStr) -> str | None:
    """Return the rule that a URL breaks; the client would ignore much of it, or take options that are set here."""
    try:
        url = urlsplit(text.get_secret_value())
        options = dict(parse_qsl(url.query, keep_blank_values=True, strict_parsing=bool(url.query)))
        port = url.port
    except ValueError:
        return _SHAPE
    if url.scheme not in {"redis", "rediss", "unix"} or url.fragment or port == 0:
        return _SHAPE
    if unknown := sorted(options.keys() - ({"db"} if url.scheme == "unix" else set())):
        return f"has options this application does not know ({', '.join(unknown)}); remove them"
    database = options.get("db", "0") if url.scheme == "unix" else url.path.removeprefix("/") or "0"
    if not (url.path if url.scheme == "unix" else url.hostname) or not (database.isascii() and database.isdigit()):
        return _SHAPE
    return None
