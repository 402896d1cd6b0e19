"""The declaration that a table is to be a hypertable: a line beside its columns, as `models/domain` shows."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import MetaData, Table, text
from sqlalchemy.dialects import postgresql
from sqlalchemy.ext.asyncio import AsyncSession

_KEY: Final = "hypertable"
_PREPARER: Final = postgresql.dialect().identifier_preparer  # type: ignore[no-untyped-call]


@dataclass(frozen=True, kw_only=True)
class Hypertable:
    """A table that is declared to be one.

    Attributes:
        table: The table.
        time: The column that says to which chunk a row belongs.
        segment_by: Columns that queries name a value of: the columnstore keeps rows together that agree in them.
    """

    table: Table
    time: str
    segment_by: tuple[str, ...]

    @property
    def name(self) -> str:
        """The table's name as statements spell it."""
        return quoted_name(self.table)

    async def exists(self, session: AsyncSession) -> bool:
        """Return True once a migration has made the table."""
        return bool(await session.scalar(text("SELECT to_regclass(:name) IS NOT NULL"), {"name": self.name}))


def quoted_name(table: Table) -> str:
    """Return a table's name, with its schema where it has one, as statements spell it."""
    return _PREPARER.format_table(table)


def as_hypertable(*, time: str, segment_by: Sequence[str] = ()) -> dict[str, Any]:
    """Return the `info` of a table that is to be a hypertable.

    Args:
        time: A column of type `timestamptz`. Every unique key of the table contains it: a hypertable checks keys chunk
            by chunk.
        segment_by: Columns that the columnstore keeps rows together by.
    """
    return {_KEY: (time, tuple(segment_by))}


def declared_hypertables(metadata: MetaData) -> Sequence[Hypertable]:
    """Return the tables that are declared to be hypertables, by name."""
    return [
        Hypertable(table=table, time=table.info[_KEY][0], segment_by=table.info[_KEY][1])
        for table in metadata.sorted_tables
        if _KEY in table.info
    ]
