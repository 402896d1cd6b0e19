"""Statements on measurements and their series, one each. They are the same on plain tables and on hypertables."""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from uuid import UUID

from sqlalchemy import ARRAY, Row, Select, Text, any_, delete, func, literal, select, text, true
from sqlalchemy.dialects.postgresql import insert

from app.core.database import ReadSession, WriteSession
from app.core.timescale import copy_rows, lock_for_writing
from app.models.domain.measurement import Measurement, MeasurementSeries

# A row of the table: series, moment, value.
MeasurementRow = tuple[UUID, datetime, float]

# A Monday, so that buckets of a week begin with one; it is where TimescaleDB's own time_bucket counts from, too.
_ORIGIN: Final = datetime(2000, 1, 3, tzinfo=UTC)
_PLAN_EACH: Final = text("SET LOCAL plan_cache_mode = force_custom_plan")
_INSERT_NEW: Final = text(
    "INSERT INTO measurements (series_id, observed_at, value) SELECT * FROM unnest(CAST(:series AS uuid[]), "
    "CAST(:moments AS timestamptz[]), CAST(:values AS float8[])) ON CONFLICT DO NOTHING"
)


async def find_series(session: ReadSession, owner_id: UUID, names: Iterable[str]) -> dict[str, UUID]:
    """Return the keys of the owner's series of these names."""
    statement = select(MeasurementSeries.name, MeasurementSeries.id).where(
        MeasurementSeries.owner_id == owner_id,
        MeasurementSeries.name == any_(literal(list(names), ARRAY(Text))),
    )
    return {row.name: row.id for row in await session.execute(statement)}


async def insert_series(session: WriteSession, owner_id: UUID, names: Iterable[str]) -> None:
    """Insert series, except those that others insert at this moment; in one order, so that none wait in a circle."""
    values = [{"owner_id": owner_id, "name": name} for name in sorted(names)]
    await session.execute(insert(MeasurementSeries).on_conflict_do_nothing(), values)


async def delete_series(session: WriteSession, owner_id: UUID, name: str) -> bool:
    """Delete a series, and its measurements by the foreign key; False where there is none of that name."""
    # The server runs the sixth cascade of a session by a plan that knows no key: it would unpack every row that is in
    # columns, and gives up (timescaledb #9916).
    await session.execute(_PLAN_EACH)
    statement = delete(MeasurementSeries).where(MeasurementSeries.owner_id == owner_id, MeasurementSeries.name == name)
    done: Any = await session.execute(statement.execution_options(synchronize_session=False))
    return bool(done.rowcount)


async def lock_measurements(session: WriteSession) -> None:
    """Take the lock that an insert needs, before it is planned."""
    await lock_for_writing(session, Measurement.metadata.tables["measurements"])


async def copy_measurements(session: WriteSession, rows: Sequence[MeasurementRow]) -> None:
    """Insert measurements, none of which may be there already.

    Raises:
        DatabaseIntegrityError: One is.
    """
    await copy_rows(session, Measurement.metadata.tables["measurements"], ("series_id", "observed_at", "value"), rows)


async def insert_new_measurements(session: WriteSession, rows: Sequence[MeasurementRow]) -> int:
    """Insert those that are not there already, and return their number."""
    series, moments, values = zip(*rows, strict=True)
    done: Any = await session.execute(
        _INSERT_NEW, {"series": list(series), "moments": list(moments), "values": list(values)}
    )
    return int(done.rowcount)


async def list_buckets(
    session: ReadSession, series_id: UUID, *, start: datetime, end: datetime, width: timedelta
) -> Sequence[Row[Any]]:
    """Return summaries of a series, a bucket each, in order of time."""
    bucket = func.date_bin(literal(width), Measurement.observed_at, literal(_ORIGIN)).label("bucket")
    statement = (
        select(bucket, *_summary())
        .where(*_within(series_id, start, end))
        .group_by(text("bucket"))
        .order_by(text("bucket"))
    )
    return (await session.execute(statement)).all()


async def get_statistics(session: ReadSession, series_id: UUID, *, start: datetime, end: datetime) -> Row[Any]:
    """Return one summary of a part of a series."""
    statement: Select[Any] = select(
        *_summary(),
        func.stddev_samp(Measurement.value).label("deviation"),
        func.min(Measurement.observed_at).label("first_at"),
        func.max(Measurement.observed_at).label("last_at"),
    ).where(*_within(series_id, start, end))
    found: Row[Any] = (await session.execute(statement)).one()
    return found


async def list_latest(
    session: ReadSession, owner_id: UUID, *, since: datetime, after: str, limit: int
) -> Sequence[Row[Any]]:
    """Return the newest measurement of each of the owner's series that has one since then, by name.

    A look into the index for each series: DISTINCT ON would read every measurement there is. The bound of time keeps
    the chunks few that a look has to be planned for.
    """
    newest = (
        select(Measurement.observed_at, Measurement.value)
        .where(Measurement.series_id == MeasurementSeries.id, Measurement.observed_at >= since)
        .order_by(Measurement.observed_at.desc())
        .limit(1)
        .lateral("newest")
    )
    statement = (
        select(MeasurementSeries.name.label("series"), newest.c.observed_at, newest.c.value)
        .join(newest, true())
        .where(MeasurementSeries.owner_id == owner_id, MeasurementSeries.name > after)
        .order_by(MeasurementSeries.name)
        .limit(limit)
    )
    return (await session.execute(statement)).all()


def _summary() -> tuple[Any, ...]:
    return (
        func.count().label("count"),
        func.min(Measurement.value).label("minimum"),
        func.max(Measurement.value).label("maximum"),
        func.avg(Measurement.value).label("mean"),
    )


def _within(series_id: UUID, start: datetime, end: datetime) -> tuple[Any, ...]:
    return Measurement.series_id == series_id, Measurement.observed_at >= start, Measurement.observed_at < end
