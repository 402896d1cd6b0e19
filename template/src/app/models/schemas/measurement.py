"""Measurements on the wire."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, with_config
from pydantic.config import JsonDict
from typing_extensions import TypedDict

from app.models.schemas.types import Input, Moment

# A request of so many takes some 50 ms and half a megabyte; more go into further requests.
MAX_BATCH = 10_000
MAX_BUCKETS = 1_000
MAX_SERIES_PAGE = 100
# A query of so much time looks at some 366 chunks at the most, which takes 50 ms to plan.
MAX_RANGE = timedelta(days=366)
# Far beyond any measurement, and so far from the ends of the type that sums of squares stay inside.
_LARGEST = 1e100
_LONGEST_BUCKET_SECONDS = 366 * 86_400

_BATCH: JsonDict = {
    "measurements": [
        {"series": "kitchen/temperature", "observed_at": "2026-11-20T08:00:00Z", "value": 20.5},
        {"series": "kitchen/temperature", "observed_at": "2026-11-20T08:01:00Z", "value": 20.6},
    ]
}


SeriesName = Annotated[
    str,
    StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._:/-]{0,127}$"),
    Field(description="The name of the quantity measured, as its owner calls it.", examples=["kitchen/temperature"]),
]


@with_config(ConfigDict(extra="forbid"))
class MeasurementCreate(TypedDict):
    """A value at a moment. A dictionary: making ten thousand objects would take twice as long as checking it does."""

    series: SeriesName
    observed_at: Moment
    value: Annotated[float, Field(strict=True, ge=-_LARGEST, le=_LARGEST, allow_inf_nan=False)]


class MeasurementBatch(Input):
    """Measurements of any series, in any order; those that are there already stay as they are."""

    model_config = ConfigDict(json_schema_extra={"examples": [_BATCH]})

    # The first wrong one ends the check: ten thousand complaints would help no caller.
    measurements: list[MeasurementCreate] = Field(min_length=1, max_length=MAX_BATCH, fail_fast=True)


class Ingested(BaseModel):
    """The outcome of a batch. Sent once more, all of it is duplicates."""

    stored: int = Field(ge=0, examples=[2])
    duplicates: int = Field(ge=0, description="There was one of that series and moment; it was kept.", examples=[0])


class SeriesRange(Input):
    """A part of a series."""

    series: SeriesName
    start: Moment = Field(description="The first moment.", examples=["2026-11-20T00:00:00Z"])
    end: Moment = Field(
        description=f"The first moment that is no longer part of it, at most {MAX_RANGE.days} days later.",
        examples=["2026-11-21T00:00:00Z"],
    )


class BucketQuery(SeriesRange):
    """A part of a series, in buckets."""

    seconds: int = Field(
        default=3600,
        ge=1,
        le=_LONGEST_BUCKET_SECONDS,
        description=f"The length of a bucket; at most {MAX_BUCKETS} of them make a range. Buckets are counted from a "
        "Monday at midnight UTC, so that those of different ranges are the same.",
    )

    @property
    def width(self) -> timedelta:
        """The length of a bucket."""
        return timedelta(seconds=self.seconds)


@dataclass(slots=True)
class Bucket:
    """A summary of the measurements of a bucket; one without any is left out."""

    count: Annotated[int, Field(ge=1, examples=[60])]
    minimum: Annotated[float, Field(examples=[20.5])]
    maximum: Annotated[float, Field(examples=[21.5])]
    mean: Annotated[float, Field(examples=[20.9])]
    bucket: Annotated[datetime, Field(description="Its first moment.")]


@dataclass(slots=True)
class Statistics:
    """A part of a series; all but the count are null where there is no measurement."""

    count: Annotated[int, Field(ge=0, examples=[1440])]
    minimum: Annotated[float | None, Field(examples=[19.5])]
    maximum: Annotated[float | None, Field(examples=[22.5])]
    mean: Annotated[float | None, Field(examples=[20.9])]
    deviation: Annotated[
        float | None,
        Field(description="Standard deviation of the sample; null for fewer than two.", examples=[0.7]),
    ]
    first_at: datetime | None
    last_at: datetime | None


class LatestQuery(Input):
    """A page of series, and the age of their measurements."""

    after: SeriesName | None = Field(default=None, description="`next` of the page before.")
    days: int = Field(
        default=31,
        ge=1,
        le=MAX_RANGE.days,
        description="Age in days up to which a measurement counts; a series without a newer one is left out.",
    )
    limit: int = Field(default=MAX_SERIES_PAGE, ge=1, le=MAX_SERIES_PAGE, description="The number to return at most.")


@dataclass(slots=True)
class Latest:
    """The newest measurement of a series."""

    series: SeriesName
    observed_at: datetime
    value: Annotated[float, Field(examples=[20.6])]


class LatestPage(BaseModel):
    """The newest measurement of each series, by name."""

    latest: Sequence[Latest]
    next: SeriesName | None = Field(
        description="Pass as `after` to get the next page; null on the last one.", examples=["kitchen/temperature"]
    )
