"""The statements of listings on 100,000 rows: each page seeks, and a filter reads its owner's rows alone."""

from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from app.core.database import Statement
from app.models.schemas.types import END
from app.repositories import items
from tests.factories import make_user

pytestmark = pytest.mark.anyio

ROWS = 100_000
# Of the small owner among the many rows of the large one.
FEW = 200
# Pages of 8 KiB: an index is three or four deep, and a page of 20 items lies on a few of the table's.
SEEK = 60

INSERT = text(
    "INSERT INTO items (id, owner_id, sku, name, tags, metadata) "
    "SELECT CAST(lpad(to_hex(n * 1000 + :offset), 32, '0') AS uuid), :owner_id, 'sku-' || n, 'Garden chair ' || n, "
    "ARRAY['garden'], '{\"color\": \"green\"}' FROM generate_series(1, :rows) AS n"
)


@pytest.fixture
async def listing(app: object, scratch: AsyncEngine) -> AsyncIterator[tuple[AsyncConnection, UUID, UUID]]:
    """A connection to a database with one owner's many items and another's few; and the two owners."""
    (large, _), (small, _) = await make_user(), await make_user()
    async with scratch.begin() as connection:
        await connection.execute(INSERT, {"owner_id": large.id, "rows": ROWS, "offset": 0})
        await connection.execute(INSERT, {"owner_id": small.id, "rows": FEW, "offset": 1})
    async with scratch.connect() as connection:
        await connection.execution_options(isolation_level="AUTOCOMMIT")
        await connection.execute(text("VACUUM ANALYZE items"))
        yield connection, large.id, small.id


async def pages_read(connection: AsyncConnection, statement: Statement[Any], *, generic: bool, **values: object) -> int:
    """Return the number of the server's pages that a statement has looked at, under a plan of either kind."""
    driver: Any = (await connection.get_raw_connection()).driver_connection
    await driver.execute(f"SET plan_cache_mode = force_{'generic' if generic else 'custom'}_plan")
    explained = f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) {statement.sql}"
    (found,) = await driver.fetch(explained, *statement.arguments(values))
    plan = found[0][0]["Plan"]
    return int(plan["Shared Hit Blocks"] + plan["Shared Read Blocks"])


def cursor(number: int) -> UUID:
    return UUID(int=number * 1000)


@pytest.mark.parametrize("generic", [False, True])
async def test_a_page_costs_the_same_wherever_it_is(
    listing: tuple[AsyncConnection, UUID, UUID], *, generic: bool
) -> None:
    connection, large, _ = listing
    for filters in ({}, {"tags": ["garden"]}, {"metadata": {"color": "green"}}, {"substring": "chair"}):
        values = {"owner_id": large, "before": END, "limit": 21, **filters}
        first = await pages_read(connection, items._list(frozenset(values)), generic=generic, **values)
        for number in (ROWS, ROWS // 2, 40):
            later = {**values, "before": cursor(number)}
            read = await pages_read(connection, items._list(frozenset(later)), generic=generic, **later)
            assert read <= max(SEEK, first * 1.5), (filters, number, read, first)


@pytest.mark.parametrize("generic", [False, True])
async def test_a_filter_reads_its_owner_s_rows_alone(
    listing: tuple[AsyncConnection, UUID, UUID], *, generic: bool
) -> None:
    connection, _, small = listing
    for filters in ({"tags": ["garden"]}, {"tags": ["rare"]}, {"metadata": {"color": "green"}}, {"metadata": {"a": 1}}):
        values = {"owner_id": small, "before": END, "limit": 21, **filters}
        read = await pages_read(connection, items._list(frozenset(values)), generic=generic, **values)
        assert read <= FEW, (filters, read)


@pytest.mark.parametrize("generic", [False, True])
async def test_a_search_ranks_the_newest_matches_of_a_common_word_alone(
    listing: tuple[AsyncConnection, UUID, UUID], *, generic: bool
) -> None:
    connection, large, small = listing
    if not await connection.scalar(text("SELECT count(*) FROM pg_extension WHERE extname = 'pg_trgm'")):
        pytest.skip("this server has no pg_trgm")
    for owner, most in ((large, 5_000), (small, 5 * FEW)):
        values = {"owner_id": owner, "before": END, "limit": 21, "words": "garden"}
        read = await pages_read(connection, items._list(frozenset(values)), generic=generic, **values)
        assert read <= most, (most, read)
