"""Settings of jobs and their workers."""

from pydantic import Field
from pydantic_settings import SettingsConfigDict

from app.core.config.section import SettingsSection


class JobSettings(SettingsSection):
    """The limits of `app worker`; a process of the web server only writes jobs."""

    model_config = SettingsConfigDict(env_prefix="JOBS_")

    concurrency: int = Field(
        default=10,
        ge=2,
        le=500,
        description="Jobs that a worker runs at a time. It opens up to twice as many connections, and two more.",
    )
    lease_seconds: float = Field(
        default=30,
        ge=1,
        le=600,
        description="How long a worker may be silent before its jobs are another's. Less than a busy event loop may "
        "stand still, and jobs run twice.",
    )
    poll_seconds: float = Field(
        default=2,
        gt=0,
        le=30,
        description="How often the queue is looked at for what no notification told of, such as retries that are due.",
    )
    grace_seconds: float = Field(
        default=25,
        ge=0,
        le=3600,
        description="How long jobs under way may take when the worker stops; what has not finished goes back.",
    )
