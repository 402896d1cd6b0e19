"""Settings of what is deleted by its age."""

from pydantic import Field
from pydantic_settings import SettingsConfigDict

from app.core.config.section import SettingsSection


class RetentionSettings(SettingsSection):
    """The days that rows are kept which have had their use; a nightly job and `app db purge` delete older ones."""

    model_config = SettingsConfigDict(env_prefix="RETENTION_")

    # An access token lives for a day at most, and asks for its session as long as it does.
    session_days: int = Field(
        default=30,
        ge=2,
        le=3650,
        description="Days that ended sessions, expired tokens and unconfirmed users are kept.",
    )
    api_key_days: int = Field(default=90, ge=1, le=3650, description="Days that revoked and expired API keys are kept.")
    job_days: int = Field(default=30, ge=1, le=3650, description="Days that the log of the job queue is kept.")
    failed_job_days: int = Field(
        default=90, ge=1, le=3650, description="Days that jobs are kept which were put aside: `app jobs list --failed`."
    )
