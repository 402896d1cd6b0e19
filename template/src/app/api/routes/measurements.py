"""Measurements: time series that come in by the thousand and are read in summaries."""

from collections.abc import Sequence
from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Depends, Query

from app.api.dependencies import CallerWith, ReadSession, UnitOfWork, WriteSession
from app.api.openapi import problems
from app.core.security import Principal
from app.models.schemas.measurement import (
    Bucket,
    BucketQuery,
    Ingested,
    LatestPage,
    LatestQuery,
    MeasurementBatch,
    SeriesName,
    SeriesRange,
    Statistics,
)
from app.services import measurements

router = APIRouter(prefix="/api/v1/measurements", tags=["measurements"])

Reader = Annotated[Principal, Depends(CallerWith("measurements:read"))]
Writer = Annotated[Principal, Depends(CallerWith("measurements:write"))]


@router.post("")
async def ingest_measurements(batch: MeasurementBatch, caller: Writer, session: WriteSession) -> Ingested:
    """Store a batch; series that are new are made. Safe to repeat: what is there already stays as it is."""
    return await measurements.ingest(session, caller.user_id, batch.measurements)


@router.delete("/series", status_code=HTTPStatus.NO_CONTENT, responses=problems(HTTPStatus.NOT_FOUND))
async def delete_series(series: Annotated[SeriesName, Query()], caller: Writer, uow: UnitOfWork) -> None:
    """Delete a series with all of its measurements."""
    await measurements.delete_series(uow, caller.user_id, series)


@router.get("/latest")
async def list_latest(which: Annotated[LatestQuery, Query()], caller: Reader, session: ReadSession) -> LatestPage:
    """Return the newest measurement of each series that has a recent one, by name."""
    return await measurements.list_latest(session, caller.user_id, which)


@router.get("/buckets", responses=problems(HTTPStatus.NOT_FOUND))
async def list_buckets(
    which: Annotated[BucketQuery, Query()], caller: Reader, session: ReadSession
) -> Sequence[Bucket]:
    """Return a part of a series, summed up in buckets of equal length."""
    return await measurements.list_buckets(session, caller.user_id, which)


@router.get("/statistics", responses=problems(HTTPStatus.NOT_FOUND))
async def get_statistics(which: Annotated[SeriesRange, Query()], caller: Reader, session: ReadSession) -> Statistics:
    """Return a part of a series, summed up as a whole."""
    return await measurements.get_statistics(session, caller.user_id, which)
