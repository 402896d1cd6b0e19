"""Settings of the event bus."""

from pydantic import Field
from pydantic_settings import SettingsConfigDict

from app.core.config.section import SettingsSection


class EventSettings(SettingsSection):
    """The limits of the event bus; each server process has a bus of its own."""

    model_config = SettingsConfigDict(env_prefix="EVENTS_")

    queue_size: int = Field(default=1000, ge=1, le=1_000_000, description="Events that may wait for each handler.")
    handler_timeout_seconds: float = Field(
        default=30, gt=0, le=3600, description="How long a handler may take for an event before it is cancelled."
    )
    drain_seconds: float = Field(
        default=5, ge=0, le=600, description="How long handlers may take to finish when the server stops."
    )
