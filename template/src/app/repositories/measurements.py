"""Statements on measurements and their series, one each. They are the same on plain tables and on hypertables."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final
from uuid import UUID

from sqlalchemy import (
    ARRAY,
    DateTime,
    Double,
    Interval,
    Text,
    Uuid,
    any_,
    bindparam,
    delete,
    func,
    literal,
    select,
    text,
    true,
)
from sqlalchemy.dialects.postgresql import insert
from uuid_utils.compat import uuid7

from app.core.database import ReadSession, Statement, WriteSession
from app.core.timescale import copy_rows, lock_for_writing
from app.models.domain.measurement import Measurement, MeasurementSeries
from app.models.schemas.measurement import Bucket, Latest, Statistics

# A row of the table: series, moment, value.
MeasurementRow = tuple[UUID, datetime, float]

# A Monday, so that buckets of a week begin with one; it is where TimescaleDB's own time_bucket counts from, too.
_ORIGIN: Final = datetime(2000, 1, 3, tzinfo=UTC)

_PLAN_EACH: Final = Statement(select(func.set_config("plan_cache_mode", "force_custom_plan", true())))
_NEW = (
    func.unnest(
        bindparam("series", type_=ARRAY(Uuid)),
        bindparam("moments", type_=ARRAY(DateTime(timezone=True))),
        bindparam("values", type_=ARRAY(Double)),
    )
    .table_valued("series_id", "observed_at", "value")
    .render_derived()
)
_INSERT_NEW: Final = Statement(
    insert(Measurement).from_select(list(_NEW.c.keys()), select(_NEW)).on_conflict_do_nothing()
)
_OWN_SERIES = MeasurementSeries.owner_id == bindparam("owner_id")


@dataclass(slots=True)
class _Series:
    name: str
    id: UUID


_FIND_SERIES: Final = Statement(
    select(MeasurementSeries).where(_OWN_SERIES, MeasurementSeries.name == any_(bindparam("names", type_=ARRAY(Text)))),
    _Series,
)
# In one order, so that none wait in a circle.
_NEW_SERIES = (
    func.unnest(bindparam("ids", type_=ARRAY(Uuid)), bindparam("names", type_=ARRAY(Text)))
    .table_valued("id", "name")
    .render_derived()
)
_INSERT_SERIES: Final = Statement(
    insert(MeasurementSeries)
    .from_select(
        ["id", "name", "owner_id"], select(_NEW_SERIES, bindparam("owner_id", type_=Uuid)).order_by(_NEW_SERIES.c.name)
    )
    .on_conflict_do_nothing()
)
_DELETE_SERIES: Final = Statement(
    delete(MeasurementSeries).where(_OWN_SERIES, MeasurementSeries.name == bindparam("name"))
)
_SUMMARY = (
    func.count().label("count"),
    func.min(Measurement.value).label("minimum"),
    func.max(Measurement.value).label("maximum"),
    func.avg(Measurement.value).label("mean"),
)
_WITHIN = (
    Measurement.series_id == bindparam("series_id"),
    Measurement.observed_at >= bindparam("start"),
    Measurement.observed_at < bindparam("end"),
)
_BUCKET = func.date_bin(
    bindparam("width", type_=Interval), Measurement.observed_at, literal(_ORIGIN, DateTime(timezone=True))
).label("bucket")
_BUCKETS: Final = Statement(
    select(_BUCKET, *_SUMMARY).where(*_WITHIN).group_by(text("bucket")).order_by(text("bucket")), Bucket
)
_STATISTICS: Final = Statement(
    select(
        *_SUMMARY,
        func.stddev_samp(Measurement.value).label("deviation"),
        func.min(Measurement.observed_at).label("first_at"),
        func.max(Measurement.observed_at).label("last_at"),
    ).where(*_WITHIN),
    Statistics,
)
# A look into the index for each series: DISTINCT ON would read every measurement there is. The bound of time keeps the
# chunks few that a look has to be planned for.
_NEWEST = (
    select(Measurement.observed_at, Measurement.value)
    .where(Measurement.series_id == MeasurementSeries.id, Measurement.observed_at >= bindparam("since"))
    .order_by(Measurement.observed_at.desc())
    .limit(1)
    .lateral("newest")
)
_LATEST: Final = Statement(
    select(MeasurementSeries.name.label("series"), _NEWEST.c.observed_at, _NEWEST.c.value)
    .join(_NEWEST, true())
    .where(_OWN_SERIES, MeasurementSeries.name > bindparam("after"))
    .order_by(MeasurementSeries.name)
    .limit(bindparam("limit")),
    Latest,
)


async def find_series(session: ReadSession, owner_id: UUID, names: Iterable[str]) -> dict[str, UUID]:
    """Return the keys of the owner's series of these names."""
    return {each.name: each.id for each in await session.all(_FIND_SERIES, owner_id=owner_id, names=list(names))}


async def insert_series(session: WriteSession, owner_id: UUID, names: Collection[str]) -> None:
    """Insert series, except those that others insert at this moment; in one order, so that none wait in a circle."""
    ids = [uuid7() for _ in names]
    await session.execute(_INSERT_SERIES, owner_id=owner_id, ids=ids, names=sorted(names))


async def delete_series(session: WriteSession, owner_id: UUID, name: str) -> bool:
    """Delete a series, and its measurements by the foreign key; False where there is none of that name."""
    # The server runs the sixth cascade of a session by a plan that knows no key: it would unpack every row that is in
    # columns, and gives up (timescaledb #9916).
    await session.execute(_PLAN_EACH)
    return await session.execute(_DELETE_SERIES, owner_id=owner_id, name=name) > 0


async def lock_measurements(session: WriteSession) -> None:
    """Take the lock that an insert needs, before it is planned."""
    await lock_for_writing(session, Measurement.metadata.tables["measurements"])


async def copy_measurements(session: WriteSession, rows: Sequence[MeasurementRow]) -> None:
    """Insert measurements; DatabaseIntegrityError where one of them is there already."""
    await copy_rows(session, Measurement.metadata.tables["measurements"], ("series_id", "observed_at", "value"), rows)


async def insert_new_measurements(session: WriteSession, rows: Sequence[MeasurementRow]) -> int:
    """Insert those that are not there already, and return their number."""
    series, moments, values = map(list, zip(*rows, strict=True))
    return await session.execute(_INSERT_NEW, series=series, moments=moments, values=values)


async def list_buckets(
    session: ReadSession, series_id: UUID, *, start: datetime, end: datetime, width: timedelta
) -> Sequence[Bucket]:
    """Return summaries of a series, a bucket each, in order of time."""
    return await session.all(_BUCKETS, series_id=series_id, start=start, end=end, width=width)


async def get_statistics(session: ReadSession, series_id: UUID, *, start: datetime, end: datetime) -> Statistics:
    """Return one summary of a part of a series."""
    return await session.one(_STATISTICS, series_id=series_id, start=start, end=end)


async def list_latest(
    session: ReadSession, owner_id: UUID, *, since: datetime, after: str, limit: int
) -> Sequence[Latest]:
    """Return the newest measurement of each of the owner's series that has one since then, by name."""
    return await session.all(_LATEST, owner_id=owner_id, since=since, after=after, limit=limit)
