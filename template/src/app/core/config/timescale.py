"""Time series: their chunks, the age at which these become columns, and the one at which they go."""

from collections.abc import Iterator
from datetime import timedelta

from pydantic import Field
from pydantic_settings import SettingsConfigDict

from app.core.config.section import Environment, Problem, SettingsSection

_HOURS_PER_DAY = 24
_CENTURY_DAYS = 36_525
# Each chunk costs planning and locks: 366 of them 50 ms, 3 653 two seconds and "out of shared memory" (measured).
_MOST_CHUNKS = 500


class TimescaleSettings(SettingsSection):
    """TimescaleDB for the tables that are declared to be hypertables, and its policies for them.

    `app db upgrade` brings the database in line with what is set here; a variable that is not set has its default for
    new hypertables, and changes nothing in those that exist.
    """

    model_config = SettingsConfigDict(env_prefix="TIMESCALE_")

    enabled: bool = Field(
        default=False,
        description="Let `app db upgrade` set TimescaleDB up (2.18 or later). Without it, tables are plain ones.",
    )
    chunk_interval_hours: int = Field(
        default=24,
        ge=1,
        le=8784,
        description="Time that one chunk covers; a changed one holds for new chunks. Those of a day's work should fit "
        "into a quarter of the server's memory.",
    )
    compress_after_days: int = Field(
        default=7,
        ge=0,
        le=_CENTURY_DAYS,
        description="Age at which chunks are converted to the columnstore; 0: never. Late arrivals go in there, too, "
        "though more slowly.",
    )
    drop_after_days: int = Field(
        default=0, ge=0, le=_CENTURY_DAYS, description="Age at which whole chunks are deleted for good; 0: never."
    )
    accept_days: int = Field(
        default=366,
        ge=1,
        le=3660,
        description="Age up to which measurements are accepted: at most TIMESCALE_DROP_AFTER_DAYS, and "
        f"{_MOST_CHUNKS} chunk intervals, since callers make a chunk for each.",
    )

    @property
    def accepted_age(self) -> timedelta:
        """The age up to which rows are accepted: older ones would be dropped by the next run of the policy."""
        days = timedelta(days=min(self.accept_days, self.drop_after_days or self.accept_days))
        return min(days, self._longest_backfill)

    @property
    def _longest_backfill(self) -> timedelta:
        return timedelta(hours=self.chunk_interval_hours) * _MOST_CHUNKS

    def problems(self, environment: Environment) -> Iterator[Problem]:  # noqa: ARG002 — the same in every stage
        """Yield what would not take effect, and what would keep rows for longer than the settings say."""
        given = self.model_fields_set - {"enabled"}
        if given and "enabled" not in self.model_fields_set:
            names = ", ".join(sorted(self.variables()[field] for field in given))
            yield Problem("TIMESCALE_ENABLED", f"must be set, to true or false, where {names} is")
        if not self.enabled:
            return
        if "accept_days" in self.model_fields_set and timedelta(days=self.accept_days) > self._longest_backfill:
            yield Problem("TIMESCALE_ACCEPT_DAYS", f"must not be more than {_MOST_CHUNKS} chunk intervals")
        if not self.drop_after_days:
            return
        if self.compress_after_days >= self.drop_after_days:
            yield Problem(
                "TIMESCALE_DROP_AFTER_DAYS", "must be more than TIMESCALE_COMPRESS_AFTER_DAYS, or 0 for never"
            )
        # A chunk goes when all of it is old enough: a longer one would keep its oldest rows beyond what was promised.
        if self.chunk_interval_hours > self.drop_after_days * _HOURS_PER_DAY:
            yield Problem("TIMESCALE_CHUNK_INTERVAL_HOURS", "must not be longer than TIMESCALE_DROP_AFTER_DAYS")
