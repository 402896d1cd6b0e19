"""The HTTP interface: the server's address and limits, sign-up and tokens, and the rules that browsers are told."""

from collections.abc import Iterator
from typing import Annotated, ClassVar, Final, Literal

from pydantic import Field, SecretStr
from pydantic_settings import SettingsConfigDict

from app.core.config.section import Environment, Problem, SettingsSection, Texts, matching

# Other than this application's own paths.
_Prefix = Annotated[
    str, matching(r"(?!/api(/|$))(/[A-Za-z0-9._~-]+)*", "must look like /shop, no slash behind, and other than /api")
]
# An origin is scheme, host and port (RFC 6454, 7): a path or a trailing slash would never match.
_Origins = Annotated[
    Texts,
    matching(
        r"\*|https?://([A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(:[0-9]+)?",
        "must hold origins such as https://app.example.com, without a path, or *",
    ),
]
_YEAR: Final = 31_536_000
# NIST SP 800-107r1, 5.3.4 and RFC 7518, 3.2: an HMAC-SHA-256 key is at least as long as the hash, 256 bits.
_Key = Annotated[SecretStr, matching(r"(?s).{32,}", "must have 32 characters or more")]
# Words that stand in examples; a key made of random characters holds none of them.
_EXAMPLE_WORDS: Final = ("change", "example", "secret", "password", "insecure", "replace", "your-")
# 32 random hex digits hold fewer than eight different characters once in a hundred million times.
_MIN_DISTINCT_CHARACTERS: Final = 8


class ApiSettings(SettingsSection):
    """The address that the server listens on, and what a request may cost."""

    model_config = SettingsConfigDict(env_prefix="API_")

    production_defaults: ClassVar = {"docs_enabled": False}

    host: str = Field(default="127.0.0.1", description="The address to listen on; 0.0.0.0 in a container.")
    port: int = Field(default=8000, ge=1, le=65535, description="The port to listen on.")
    workers: int = Field(default=1, ge=1, le=256, description="Server processes, each with a pool of connections.")
    graceful_shutdown_seconds: int = Field(default=20, ge=1, le=600, description="For requests under way at a stop.")
    keep_alive_seconds: int = Field(default=75, ge=1, le=3600, description="Idle connections; balancers keep some 60.")
    root_path: _Prefix = Field(default="", description="The prefix under which a proxy publishes this service.")
    allowed_hosts: Texts = Field(default=(), description="Host names, *.example.com as well; empty: any.")
    trusted_proxies: str = Field(default="127.0.0.1", description="Networks whose X-Forwarded-* headers are believed.")
    max_body_bytes: int = Field(default=1_048_576, ge=1024, le=1_073_741_824, description="The largest body read.")
    docs_enabled: bool = Field(default=True, description="Serves /docs and /openapi.json.")
    debug: bool = Field(default=False, validation_alias="DEBUG", description="Shows tracebacks to callers.")

    def problems(self, environment: Environment) -> Iterator[Problem]:
        """Yield what would show tracebacks in production."""
        if self.debug and environment is Environment.PRODUCTION:
            yield Problem("DEBUG", "must be off in production, since it shows tracebacks to callers")


class AuthSettings(SettingsSection):
    """Sign-up, passwords, tokens and the key they are signed with."""

    production_defaults: ClassVar = {"sign_up": "closed"}

    secret_key: _Key = Field(description="Signs what this service hands out.")
    sign_up: Literal["open", "closed"] = Field(
        default="open", validation_alias="AUTH_SIGN_UP", description="`closed`: only `app users create` makes users."
    )
    access_token_expire_minutes: int = Field(default=15, ge=1, le=1440, description="Lifetime of an access token.")
    refresh_token_expire_days: int = Field(default=30, ge=1, le=366, description="Lifetime of an unused session.")
    # Of ended sessions, disabled users and former roles. Where the database is away for longer, no token is accepted.
    revocation_seconds: float = Field(
        default=10, ge=1, le=300, validation_alias="AUTH_REVOCATION_SECONDS", description="Until tokens are refused."
    )
    login_attempts: int = Field(
        default=5, ge=1, le=1000, validation_alias="AUTH_LOGIN_ATTEMPTS", description="Wrong passwords in 15 minutes."
    )

    def problems(self, environment: Environment) -> Iterator[Problem]:
        """Yield a key that does not look random, outside development."""
        key = self.secret_key.get_secret_value().lower()
        weak = any(word in key for word in _EXAMPLE_WORDS) or len(set(key)) < _MIN_DISTINCT_CHARACTERS
        if weak and environment is not Environment.DEVELOPMENT:
            yield Problem("SECRET_KEY", "is an example or easy to guess; make one with `openssl rand -base64 48`")


class SecuritySettings(SettingsSection):
    """Cross-origin access and transport security."""

    production_defaults: ClassVar = {"hsts_seconds": _YEAR}

    cors_origins: _Origins = Field(default=(), description="Origins whose pages may call this API.")
    cors_allow_credentials: bool = Field(default=False, description="Lets those pages send cookies.")
    hsts_seconds: int = Field(default=0, ge=0, description="Lifetime of Strict-Transport-Security; 0: no header.")

    def problems(self, environment: Environment) -> Iterator[Problem]:
        """Yield an origin that is any: with credentials, it hands every visitor's session to every page."""
        if "*" in self.cors_origins and self.cors_allow_credentials:
            yield Problem("CORS_ORIGINS", "must name the origins when CORS_ALLOW_CREDENTIALS is on; * is refused")
        elif "*" in self.cors_origins and environment is Environment.PRODUCTION:
            yield Problem("CORS_ORIGINS", "must name the origins in production; * is refused")
