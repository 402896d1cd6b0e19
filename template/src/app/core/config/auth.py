"""Sign-up, passwords and tokens."""

from collections.abc import Iterator
from typing import ClassVar, Literal

from pydantic import Field, SecretStr

from app.core.config.section import Environment, Problem, SettingsSection

# NIST SP 800-107r1, 5.3.4 and RFC 7518, 3.2: an HMAC-SHA-256 key is at least as long as the hash, 256 bits.
_MIN_SECRET_BYTES = 32
# Words that stand in examples; a key made of random characters holds none of them.
_EXAMPLE_WORDS = ("change", "example", "secret", "password", "insecure", "replace", "your-")
# 32 random hex digits hold fewer than eight different characters once in a hundred million times.
_MIN_DISTINCT_CHARACTERS = 8


class AuthSettings(SettingsSection):
    """Sign-up, passwords, tokens and the key they are signed with."""

    production_defaults: ClassVar = {"sign_up": "closed"}

    secret_key: SecretStr = Field(min_length=_MIN_SECRET_BYTES, description="Signs what this service hands out.")
    sign_up: Literal["open", "closed"] = Field(
        default="open", validation_alias="AUTH_SIGN_UP", description="`closed`: only `app users create` makes users."
    )
    access_token_expire_minutes: int = Field(default=15, ge=1, le=1440, description="Lifetime of an access token.")
    refresh_token_expire_days: int = Field(default=30, ge=1, le=366, description="Lifetime of an unused session.")
    revocation_seconds: float = Field(
        default=10,
        ge=1,
        le=300,
        validation_alias="AUTH_REVOCATION_SECONDS",
        description="Time after which every process refuses the tokens of ended sessions, disabled users and former "
        "roles; without the database for longer, none is accepted.",
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
