"""The cache: times and bounds."""

from pydantic import Field
from pydantic_settings import SettingsConfigDict

from app.core.config.section import SettingsSection

_KEY_TEXT = r"^[A-Za-z0-9_.-]{1,64}$"


class CacheSettings(SettingsSection):
    """Times and bounds of the cache that all requests of a process share."""

    model_config = SettingsConfigDict(env_prefix="CACHE_")

    default_ttl_seconds: float = Field(
        default=300, gt=0, le=31_622_400, description="How long a value is kept unless the code says otherwise."
    )
    ttl_jitter: float = Field(
        default=0.1,
        ge=0,
        le=0.5,
        description="Each value is kept a random part shorter, at most this much, so that not all expire at once.",
    )
    max_entries: int = Field(
        default=1000,
        ge=1,
        le=10_000_000,
        description="Values kept in memory, for each server process.",
    )
    key_prefix: str | None = Field(
        default=None,
        pattern=_KEY_TEXT,
        description="In front of every key: tells applications apart that share a cache; the project's name if empty.",
    )
    key_version: str = Field(
        default="1",
        pattern=_KEY_TEXT,
        description="Change it with a release that caches values in another shape: it then reads none of the old ones.",
    )
