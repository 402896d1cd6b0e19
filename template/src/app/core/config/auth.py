"""What identity rests on."""

from collections.abc import Iterator

from pydantic import Field, SecretStr

from app.core.config.section import Environment, Problem, SettingsSection

# NIST SP 800-107r1, 5.3.4 and RFC 7518, 3.2: an HMAC-SHA-256 key is at least as long as the hash, 256 bits.
MIN_SECRET_BYTES = 32
# Words that stand in examples; a key made of random characters holds none of them.
_EXAMPLE_WORDS = ("change", "example", "secret", "password", "insecure", "replace", "your-")
# 32 random hex digits hold fewer than eight different characters once in a hundred million times.
_MIN_DISTINCT_CHARACTERS = 8


class AuthSettings(SettingsSection):
    """The key everything is signed with."""

    secret_key: SecretStr = Field(
        min_length=MIN_SECRET_BYTES,
        description="Signs what this service hands out. At least 32 random characters: `openssl rand -base64 48`.",
    )

    def problems(self, environment: Environment) -> Iterator[Problem]:
        """Outside development the key must look random."""
        if environment is Environment.DEVELOPMENT:
            return
        key = self.secret_key.get_secret_value().lower()
        if any(word in key for word in _EXAMPLE_WORDS) or len(set(key)) < _MIN_DISTINCT_CHARACTERS:
            yield Problem("SECRET_KEY", "is an example or easy to guess; make one with `openssl rand -base64 48`")
