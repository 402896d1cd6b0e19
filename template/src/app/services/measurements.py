"""What can be done with measurements; everybody has their own series, and does not learn of others'."""

from collections.abc import Collection, Sequence
from datetime import UTC, datetime, timedelta
from operator import itemgetter
from typing import Final
from uuid import UUID

from app.core.database import ReadSession
from app.core.exceptions import DatabaseIntegrityError, ResourceNotFoundError, ValidationError
from app.core.uow import UnitOfWork, atomic
from app.models.schemas.measurement import (
    MAX_BUCKETS,
    Bucket,
    BucketQuery,
    Ingested,
    Latest,
    LatestPage,
    LatestQuery,
    MeasurementCreate,
    SeriesRange,
    Statistics,
)
from app.repositories import measurements

# Clocks differ; a measurement from further ahead is a mistake, and would hide all later ones from "latest" until then.
MAX_AHEAD: Final = timedelta(minutes=5)
# Each stretch of time is a chunk, which is a table of its own: a request must not make thousands of them.
MAX_AGE: Final = timedelta(days=3653)
MAX_SPAN: Final = timedelta(days=31)


async def ingest(uow: UnitOfWork, owner_id: UUID, batch: Sequence[MeasurementCreate]) -> Ingested:
    """Store what is new of a batch, all of it or nothing. Safe to repeat.

    Raises:
        ValidationError: One is from the future or from too long ago, or they are too far apart.
    """
    # One time zone for all: comparing and storing moments of different ones takes several times as long.
    moments = [each["observed_at"].astimezone(UTC) for each in batch]
    _check_times(moments)
    keys = await _series_keys(uow, owner_id, {each["series"] for each in batch})
    rows = [(keys[each["series"]], moment, each["value"]) for each, moment in zip(batch, moments, strict=True)]
    # In one order, so that requests with the same measurements wait for each other and not in a circle. Of several
    # with one key the first comes first, and is the one that counts.
    rows.sort(key=itemgetter(1, 0))
    try:
        # Faster than ON CONFLICT, which COPY does not have, and right where all are new, which is the usual case.
        async with atomic(uow.session):
            await measurements.copy_measurements(uow.session, rows)
        stored = len(rows)
    except DatabaseIntegrityError:
        stored = await measurements.insert_new_measurements(uow.session, rows)
    return Ingested(stored=stored, duplicates=len(batch) - stored)


async def list_buckets(session: ReadSession, owner_id: UUID, which: BucketQuery) -> Sequence[Bucket]:
    """A part of a series, summed up in buckets.

    Raises:
        ResourceNotFoundError: There is no such series.
        ValidationError: The range is empty, or has too many buckets.
    """
    _check_range(which)
    if which.end - which.start > MAX_BUCKETS * which.width:
        raise ValidationError("seconds", f"must be longer: the range has more than {MAX_BUCKETS} buckets of these")
    key = await _series_key(session, owner_id, which.series)
    found = await measurements.list_buckets(session, key, start=which.start, end=which.end, width=which.width)
    return [Bucket.model_validate(row) for row in found]


async def get_statistics(session: ReadSession, owner_id: UUID, which: SeriesRange) -> Statistics:
    """A part of a series, summed up as a whole.

    Raises:
        ResourceNotFoundError: There is no such series.
        ValidationError: The range is empty.
    """
    _check_range(which)
    key = await _series_key(session, owner_id, which.series)
    row = await measurements.get_statistics(session, key, start=which.start, end=which.end)
    return Statistics.model_validate(row)


async def list_latest(session: ReadSession, owner_id: UUID, which: LatestQuery) -> LatestPage:
    """The newest measurement of each of the owner's series, a page of them."""
    found = await measurements.list_latest(session, owner_id, after=which.after or "", limit=which.limit + 1)
    page = [Latest.model_validate(row) for row in found[: which.limit]]
    return LatestPage(latest=page, next=page[-1].series if len(found) > which.limit else None)


def _check_times(moments: Sequence[datetime]) -> None:
    now = datetime.now(UTC)
    first, last = min(moments), max(moments)
    if last > now + MAX_AHEAD:
        rule = f"must not be more than {MAX_AHEAD.seconds // 60} minutes in the future"
        raise ValidationError(f"body.measurements.{moments.index(last)}.observed_at", rule)
    if first < now - MAX_AGE:
        raise ValidationError(f"body.measurements.{moments.index(first)}.observed_at", "must not be over 10 years old")
    if last - first > MAX_SPAN:
        rule = f"must lie within {MAX_SPAN.days} days of each other: send the rest in requests of their own"
        raise ValidationError("body.measurements", rule)


def _check_range(which: SeriesRange) -> None:
    if which.start >= which.end:
        raise ValidationError("end", "must be later than start")


async def _series_keys(uow: UnitOfWork, owner_id: UUID, names: Collection[str]) -> dict[str, UUID]:
    """The keys of the owner's series; those that are new are made."""
    keys = await measurements.find_series(uow.session, owner_id, names)
    if new := set(names) - keys.keys():
        await measurements.insert_series(uow.session, owner_id, new)
        keys |= await measurements.find_series(uow.session, owner_id, new)
    return keys


async def _series_key(session: ReadSession, owner_id: UUID, name: str) -> UUID:
    keys = await measurements.find_series(session, owner_id, [name])
    if name not in keys:
        raise ResourceNotFoundError("Series", name)
    return keys[name]
