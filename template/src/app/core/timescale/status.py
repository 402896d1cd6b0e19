"""The state of TimescaleDB: for the health route, for `app doctor`, and in numbers."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Final, NamedTuple

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from app.core.config.timescale import TimescaleSettings
from app.core.database import Base, get_database
from app.core.exceptions import ConfigurationError
from app.core.health import HealthCheck
from app.core.timescale.extension import Hypertable, declared_hypertables, find_extension

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
# The functions are the ones that every version since 2.18 has; a table that is no hypertable gives no row.
_STATISTICS: Final = text(
    "SELECT h.num_chunks AS chunks, coalesce(c.number_compressed_chunks, 0) AS in_columns, "
    "hypertable_size(r.oid) AS bytes, c.before_compression_total_bytes AS bytes_before, "
    "c.after_compression_total_bytes AS bytes_after, n.oldest, n.newest "
    "FROM (SELECT CAST(to_regclass(:name) AS oid)) AS t(oid) "
    "CROSS JOIN LATERAL (SELECT CAST(t.oid AS regclass) AS oid) AS r "
    "JOIN timescaledb_information.hypertables AS h "
    "ON to_regclass(format('%I.%I', h.hypertable_schema, h.hypertable_name)) = r.oid "
    "LEFT JOIN LATERAL hypertable_columnstore_stats(r.oid) AS c ON true "
    "LEFT JOIN LATERAL (SELECT min(range_start) AS oldest, max(range_end) AS newest "
    "FROM timescaledb_information.chunks AS k "
    "WHERE k.hypertable_schema = h.hypertable_schema AND k.hypertable_name = h.hypertable_name) AS n ON true"
)


def timescale_checks(settings: TimescaleSettings) -> Sequence[HealthCheck]:
    """Return the part's own check where it is enabled; requests are served without, on plain or growing tables."""
    return [HealthCheck("timescaledb", check_timescale, required=False)] if settings.enabled else []


async def check_timescale() -> None:
    """Return if the extension is there, every declared hypertable is one, and no policy's last run failed.

    Raises:
        ConfigurationError: Something of that is not so.
        DatabaseException: The database did not answer.
    """
    # Apart from the queue of requests, as every question about health.
    async with AsyncSession(get_database().probes) as session:
        found = await find_extension(session)
        found.require_usable()
        if not found.created:
            raise ConfigurationError(
                "This database has no TimescaleDB, though its server does.",
                next_step="Run `app db upgrade`, which creates it.",
            )
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


class ChunkStatistics(NamedTuple):
    """A hypertable in numbers.

    Attributes:
        table: Its name.
        chunks: The number of its chunks.
        in_columns: The number of those that are in the columnstore.
        total_bytes: Its size, indexes and columnstore included.
        bytes_before: The size that the chunks in the columnstore had as rows; None while there are none.
        bytes_after: Their size now.
        oldest: The beginning of the first chunk; None while there is none.
        newest: The end of the last chunk, which may be in the future.
    """

    table: str
    chunks: int
    in_columns: int
    total_bytes: int
    bytes_before: int | None
    bytes_after: int | None
    oldest: datetime | None
    newest: datetime | None


async def get_chunk_statistics(session: AsyncSession, hypertables: Iterable[Hypertable]) -> Sequence[ChunkStatistics]:
    """Return one entry for each of these that is a hypertable in this database; none without the extension."""
    if not (await find_extension(session)).created:
        return []
    found = []
    for hypertable in hypertables:
        row = (await session.execute(_STATISTICS, {"name": hypertable.name})).one_or_none()
        if row is not None:
            found.append(ChunkStatistics(hypertable.table.name, *row))
    return found
