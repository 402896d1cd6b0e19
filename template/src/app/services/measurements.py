"""Measurements: each user has their own series, and does not learn of others'."""

from collections.abc import Collection, Sequence
from datetime import UTC, datetime, timedelta
from operator import itemgetter
from typing import Final
from uuid import UUID

from app.core.database import ReadSession, WriteSession
from app.core.exceptions import DatabaseConflictError, DatabaseIntegrityError, ResourceNotFoundError, ValidationError
from app.core.timescale import get_accepted_age
from app.core.uow import UnitOfWork, atomic
from app.models.schemas.measurement import (
    MAX_BUCKETS,
    MAX_RANGE,
    Bucket,
    BucketQuery,
    Ingested,
    LatestPage,
    LatestQuery,
    MeasurementCreate,
    SeriesRange,
    Statistics,
)
from app.repositories import measurements

# Clocks differ; a measurement from further ahead is a mistake, and would hide all later ones from "latest" until then.
MAX_AHEAD: Final = timedelta(minutes=5)
# Each interval of time is a chunk, which is a table of its own: a request must not make many of them.
MAX_SPAN: Final = timedelta(days=31)
# Batches that make a chunk at the same moment can wait for each other in a circle (timescaledb #7429): the server gives
# one of them up, which then finds the chunk made.
_ATTEMPTS: Final = 5


async def ingest(session: WriteSession, owner_id: UUID, batch: Sequence[MeasurementCreate]) -> Ingested:
    """Store the new measurements of a batch, all or none of them. Safe to repeat.

    Raises:
        ValidationError: One is from the future or older than is accepted, or they are too far apart.
        DatabaseConflictError: Other batches got in the way again and again.
    """
    # One time zone for all: comparing and storing moments of different ones takes several times as long.
    moments = [each["observed_at"].astimezone(UTC) for each in batch]
    _check_times(moments)
    keys = await _series_keys(session, owner_id, {each["series"] for each in batch})
    rows = [(keys[each["series"]], moment, each["value"]) for each, moment in zip(batch, moments, strict=True)]
    # In one order, so that requests with the same measurements wait for each other and not in a circle. Of several
    # with one key the first comes first, and is the one that counts.
    rows.sort(key=itemgetter(1, 0))
    for attempt in range(1, _ATTEMPTS + 1):
        try:
            async with atomic(session) as uow:
                stored = await _store(uow, rows)
            break
        except DatabaseConflictError:
            if attempt == _ATTEMPTS:
                raise
    return Ingested(stored=stored, duplicates=len(batch) - stored)


async def delete_series(uow: UnitOfWork, owner_id: UUID, name: str) -> None:
    """Delete a series with all of its measurements; ResourceNotFoundError where there is none of this name."""
    if not await measurements.delete_series(uow.session, owner_id, name):
        raise ResourceNotFoundError("Series", name)


async def list_buckets(session: ReadSession, owner_id: UUID, which: BucketQuery) -> Sequence[Bucket]:
    """Return a part of a series, summed up in buckets; ValidationError where it has too many.

    It raises as `get_statistics` does, too.
    """
    _check_range(which)
    if which.end - which.start > MAX_BUCKETS * which.width:
        raise ValidationError("seconds", f"must be longer: the range has more than {MAX_BUCKETS} buckets of these")
    key = await _series_key(session, owner_id, which.series)
    return await measurements.list_buckets(session, key, start=which.start, end=which.end, width=which.width)


async def get_statistics(session: ReadSession, owner_id: UUID, which: SeriesRange) -> Statistics:
    """Return a part of a series, summed up as a whole; ResourceNotFoundError where there is no such series.

    ValidationError where the range is empty or too long.
    """
    _check_range(which)
    key = await _series_key(session, owner_id, which.series)
    return await measurements.get_statistics(session, key, start=which.start, end=which.end)


async def list_latest(session: ReadSession, owner_id: UUID, which: LatestQuery) -> LatestPage:
    """Return a page of the newest measurements, one of each of the owner's series that has a recent one."""
    since = datetime.now(UTC) - timedelta(days=which.days)
    after, limit = which.after or "", which.limit + 1
    found = await measurements.list_latest(session, owner_id, since=since, after=after, limit=limit)
    page = found[: which.limit]
    return LatestPage(latest=page, next=page[-1].series if len(found) > which.limit else None)


def _check_times(moments: Sequence[datetime]) -> None:
    now = datetime.now(UTC)
    first, last = min(moments), max(moments)
    if last > now + MAX_AHEAD:
        rule = f"must not be more than {MAX_AHEAD.seconds // 60} minutes in the future"
        raise ValidationError(f"body.measurements.{moments.index(last)}.observed_at", rule)
    if first < now - (age := get_accepted_age()):
        rule = f"must not be over {age.days} days old"
        raise ValidationError(f"body.measurements.{moments.index(first)}.observed_at", rule)
    if last - first > MAX_SPAN:
        rule = f"must lie within {MAX_SPAN.days} days of each other: send the rest in requests of their own"
        raise ValidationError("body.measurements", rule)


def _check_range(which: SeriesRange) -> None:
    if which.start >= which.end:
        raise ValidationError("end", "must be later than start")
    if which.end - which.start > MAX_RANGE:
        raise ValidationError("end", f"must be at most {MAX_RANGE.days} days after start")


async def _store(uow: UnitOfWork, rows: Sequence[measurements.MeasurementRow]) -> int:
    """Store the rows that are not there yet, and return their number."""
    await measurements.lock_measurements(uow.session)
    try:
        # Faster than ON CONFLICT, which COPY does not have, and right where all are new, which is the usual case.
        async with atomic(uow.session):
            await measurements.copy_measurements(uow.session, rows)
    except DatabaseIntegrityError:
        return await measurements.insert_new_measurements(uow.session, rows)
    return len(rows)


async def _series_keys(session: WriteSession, owner_id: UUID, names: Collection[str]) -> dict[str, UUID]:
    """Return the keys of the owner's series; new ones are made, and committed before anything refers to them.

    A new chunk copies the foreign key, for which it locks the table of series: it would wait for a batch that has made
    a series and waits for the chunk.
    """
    async with atomic(session):
        keys = await measurements.find_series(session, owner_id, names)
        if new := set(names) - keys.keys():
            await measurements.insert_series(session, owner_id, new)
            keys |= await measurements.find_series(session, owner_id, new)
    return keys


async def _series_key(session: ReadSession, owner_id: UUID, name: str) -> UUID:
    keys = await measurements.find_series(session, owner_id, [name])
    if name not in keys:
        raise ResourceNotFoundError("Series", name)
    return keys[name]
