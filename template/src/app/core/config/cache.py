"""The cache: times and bounds."""

from pydantic import Field
from pydantic_settings import SettingsConfigDict

from app.core.config.section import SettingsSection


class CacheSettings(SettingsSection):
    """Times and bounds of the cache that all requests of a process share."""

    model_config = SettingsConfigDict(env_prefix="CACHE_")

    default_ttl_seconds: float = Field(
        default=300, gt=0, le=31_622_400, description="Seconds that a value is kept unless the code says otherwise."
    )
    max_entries: int = Field(default=1000, ge=1, le=10_000_000, description="Values that a process keeps in memory.")
    key_prefix: str | None = Field(
        default=None,
        pattern=r"^[A-Za-z0-9_.-]{1,64}$",
        description="In front of every key, to tell applications and shapes of values apart; else the project's name.",
    )
