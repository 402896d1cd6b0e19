"""Sign-up, passwords and tokens."""

from collections.abc import Iterator
from typing import ClassVar, Literal

from pydantic import Field, SecretStr

from app.core.config.section import Environment, Problem, SettingsSection

# NIST SP 800-107r1, 5.3.4 and RFC 7518, 3.2: an HMAC-SHA-256 key is at least as long as the hash, 256 bits.
MIN_SECRET_BYTES = 32
# Words that stand in examples; a key made of random characters holds none of them.
_EXAMPLE_WORDS = ("change", "example", "secret", "password", "insecure", "replace", "your-")
# 32 random hex digits hold fewer than eight different characters once in a hundred million times.
_MIN_DISTINCT_CHARACTERS = 8
# OWASP Password Storage Cheat Sheet, "Argon2id": the least that is recommended.
_MIN_ARGON2_MEMORY_KIB = 19_456
_MIN_ARGON2_TIME_COST = 2


class AuthSettings(SettingsSection):
    """Sign-up, passwords, tokens and the key they are signed with."""

    production_defaults: ClassVar = {"sign_up": "closed"}

    secret_key: SecretStr = Field(min_length=MIN_SECRET_BYTES, description="Signs what this service hands out.")
    sign_up: Literal["open", "closed"] = Field(
        default="open", validation_alias="AUTH_SIGN_UP", description="`closed`: only `app users create` makes users."
    )
    access_token_expire_minutes: int = Field(
        default=15, ge=1, le=1440, description="Lifetime of an access token, which cannot be shortened once issued."
    )
    refresh_token_expire_days: int = Field(
        default=30, ge=1, le=366, description="How long a session lasts without being used."
    )
    revocation_refresh_seconds: float = Field(
        default=5,
        ge=0,
        le=300,
        validation_alias="AUTH_REVOCATION_REFRESH_SECONDS",
        description="The time after which a logout that another process handled is known to this one.",
    )
    login_attempts: int = Field(
        default=5,
        ge=1,
        le=1000,
        validation_alias="AUTH_LOGIN_ATTEMPTS",
        description="Wrong passwords for one account from one address or known device in a window; ten times as many "
        "from one address to any account, or to one account from anywhere, known devices apart.",
    )
    login_window_seconds: int = Field(
        default=900,
        ge=1,
        le=86_400,
        validation_alias="AUTH_LOGIN_WINDOW_SECONDS",
        description="How long wrong passwords count.",
    )
    argon2_memory_kib: int = Field(default=65_536, ge=64, le=4_194_304, description="Memory for hashing a password.")
    argon2_time_cost: int = Field(default=3, ge=1, le=100, description="Passes over that memory.")
    argon2_concurrency: int = Field(default=4, ge=1, le=64, description="Passwords hashed at once, in each process.")

    def problems(self, environment: Environment) -> Iterator[Problem]:
        """Yield a key that does not look random and passwords that are cheap to guess, outside development."""
        if environment is Environment.DEVELOPMENT:
            return
        key = self.secret_key.get_secret_value().lower()
        if any(word in key for word in _EXAMPLE_WORDS) or len(set(key)) < _MIN_DISTINCT_CHARACTERS:
            yield Problem("SECRET_KEY", "is an example or easy to guess; make one with `openssl rand -base64 48`")
        if self.argon2_memory_kib < _MIN_ARGON2_MEMORY_KIB:
            yield Problem("ARGON2_MEMORY_KIB", f"must be at least {_MIN_ARGON2_MEMORY_KIB} in {environment}")
        if self.argon2_time_cost < _MIN_ARGON2_TIME_COST:
            yield Problem("ARGON2_TIME_COST", f"must be at least {_MIN_ARGON2_TIME_COST} in {environment}")
