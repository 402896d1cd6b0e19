"""How hypertables are doing: their chunks, what they weigh, and what the columnstore saves."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Final, NamedTuple

from sqlalchemy import text

from app.core.database import ReadSession
from app.core.timescale.declaration import Hypertable
from app.core.timescale.extension import find_extension

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


class ChunkStatistics(NamedTuple):
    """One hypertable.

    Attributes:
        table: Its name.
        chunks: How many it has.
        in_columns: How many of them are in the columnstore.
        total_bytes: What it weighs, indexes and columnstore included.
        bytes_before: What the chunks in the columnstore weighed as rows; None while there are none.
        bytes_after: What they weigh now.
        oldest: Where the first chunk begins; None while there is none.
        newest: Where the last chunk ends, which may be in the future.
    """

    table: str
    chunks: int
    in_columns: int
    total_bytes: int
    bytes_before: int | None
    bytes_after: int | None
    oldest: datetime | None
    newest: datetime | None


async def get_chunk_statistics(session: ReadSession, hypertables: Iterable[Hypertable]) -> Sequence[ChunkStatistics]:
    """One entry for each of these that is a hypertable in this database; none without the extension."""
    if not (await find_extension(session)).created:
        return []
    found = []
    for hypertable in hypertables:
        row = (await session.execute(_STATISTICS, {"name": hypertable.name})).one_or_none()
        if row is not None:
            found.append(ChunkStatistics(hypertable.table.name, *row))
    return found
