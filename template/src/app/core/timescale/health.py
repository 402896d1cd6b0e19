"""Whether what the settings promise is so: for the health route and for `app doctor`."""

from collections.abc import Sequence
from typing import Final

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from app.core.config.timescale import TimescaleSettings
from app.core.database import Base, ReadSession, get_database
from app.core.exceptions import ConfigurationError
from app.core.health import HealthCheck
from app.core.timescale import errors
from app.core.timescale.declaration import declared_hypertables
from app.core.timescale.extension import find_extension

_PLAIN: Final = text(
    "SELECT name FROM unnest(CAST(:names AS text[])) AS name WHERE NOT EXISTS "
    "(SELECT FROM timescaledb_information.hypertables "
    "WHERE to_regclass(format('%I.%I', hypertable_schema, hypertable_name)) = to_regclass(name))"
)
_FAILED: Final = text(
    "SELECT j.proc_name, j.hypertable_name FROM timescaledb_information.job_stats AS s "
    "JOIN timescaledb_information.jobs AS j USING (job_id) "
    "WHERE j.proc_name LIKE 'policy%' AND j.hypertable_name IS NOT NULL AND s.last_run_status = 'Failed' LIMIT 1"
)


def timescale_checks(settings: TimescaleSettings) -> Sequence[HealthCheck]:
    """The part's own check where it is enabled: requests are served without, on tables that are plain or grow."""
    if not settings.enabled:
        return []
    return [HealthCheck("timescaledb", check_timescale, required=False)]


async def check_timescale() -> None:
    """Fail unless the extension is there, every declared hypertable is one, and no policy's last run failed.

    Raises:
        ConfigurationError: Something of that is not so.
        DatabaseException: The database did not answer.
    """
    # Apart from the queue of requests, as every question about health.
    async with AsyncSession(get_database().probes) as probe:
        session = ReadSession(probe)
        found = await find_extension(session)
        found.require_usable()
        if not found.created:
            raise errors.not_created()
        names = [hypertable.name for hypertable in declared_hypertables(Base.metadata)]
        if plain := (await session.scalars(_PLAIN, {"names": names})).all():
            raise ConfigurationError(
                f"Declared as hypertables and still plain: {', '.join(plain)}.", next_step="Run `app db upgrade`."
            )
        if failed := (await session.execute(_FAILED)).one_or_none():
            raise ConfigurationError(
                f"The last run of {failed.proc_name} on {failed.hypertable_name} failed.",
                next_step="timescaledb_information.job_errors says why; the job runs again by itself.",
            )
