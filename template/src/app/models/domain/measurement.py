"""The `measurements` table, and that of the series they belong to."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import Double, ForeignKey, String, UniqueConstraint, func
from sqlalchemy.orm import Mapped, mapped_column

from app.core.database import Base, UuidKey
from app.core.timescale import as_hypertable


class MeasurementSeries(UuidKey, Base):
    """A quantity that is measured over and over: a temperature, a counter, a price.

    Attributes:
        owner_id: The user it belongs to; no other user learns that it exists.
        name: Its owner's name for it; ordered byte by byte, so that a listing is the same on every server.
    """

    __tablename__ = "measurement_series"

    owner_id: Mapped[UUID] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"))
    name: Mapped[str] = mapped_column(String(128, collation="C"))
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())

    __table_args__ = (UniqueConstraint("owner_id", "name"),)


class Measurement(Base):
    """A value at a moment. There is one of a series at a time, and it never changes.

    The key is also the index that every query uses: a series, then a range of time in either direction.

    Attributes:
        series_id: The series it belongs to.
        observed_at: The moment, by the clock of the device that measured.
    """

    __tablename__ = "measurements"
    __table_args__ = ({"info": as_hypertable(time="observed_at", segment_by=["series_id"])},)

    series_id: Mapped[UUID] = mapped_column(ForeignKey("measurement_series.id", ondelete="CASCADE"), primary_key=True)
    observed_at: Mapped[datetime] = mapped_column(primary_key=True)
    value: Mapped[float] = mapped_column(Double)
