"""Requests while the server changes under them: a conversion, a lost extension, rows that are in columns."""

import asyncio
from datetime import timedelta

import pytest
from httpx import AsyncClient
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from tests.hypertables import enabled, pretended_extension, set_up, unlimited_session
from tests.integration.api.measurements.conftest import MIDNIGHT, ingest, rows

pytestmark = pytest.mark.anyio

CONVERT = (
    "SELECT create_hypertable('measurements', by_range('observed_at', interval '1 day'), "
    "create_default_indexes => false, migrate_data => true)"
)
WAITING = (
    "SELECT count(*) FROM pg_locks JOIN pg_class ON pg_class.oid = relation "
    "WHERE relname = 'measurements' AND NOT granted"
)

SEVENTEEN_DAYS = (
    "INSERT INTO measurements SELECT id, timestamptz '2026-01-31' - n * interval '2 minutes', n "
    "FROM measurement_series, generate_series(1, 12000) AS n"
)


async def visible(engine: AsyncEngine) -> int:
    async with engine.connect() as connection:
        return int(await connection.scalar(text("SELECT count(*) FROM measurements")) or 0)


async def test_post_measurements_waits_for_a_conversion_and_its_row_is_seen(
    real_url: str, scratch: AsyncEngine, scratch_client: AsyncClient
) -> None:
    await ingest(scratch_client, rows("a", range(100), minutes=1))
    # A new series would wait for the conversion, too, and sooner: the foreign key locks their table.
    await ingest(scratch_client, rows("b", [0]))
    async with unlimited_session(real_url) as session:
        await session.execute(text("CREATE EXTENSION timescaledb"))
        await session.commit()
        await session.execute(text(CONVERT))
        # The first batch has a row that is there: it takes the way of duplicates.
        begin = MIDNIGHT + timedelta(minutes=99)
        batches = [rows(series, [7] * 3, begin=begin, minutes=1) for series in ("a", "b")]
        waiting = [asyncio.create_task(ingest(scratch_client, batch)) for batch in batches]
        async with asyncio.timeout(30):
            while await session.scalar(text(WAITING)) != len(waiting):  # noqa: ASYNC110 — the server has no event for it
                await asyncio.sleep(0.01)
        await session.commit()

    done = await asyncio.gather(*waiting)

    assert [each["stored"] for each in done] == [2, 3]
    assert await visible(scratch) == 106


async def test_post_measurements_during_app_db_upgrade_loses_no_row(
    real_url: str, scratch: AsyncEngine, scratch_client: AsyncClient
) -> None:
    stored = (await ingest(scratch_client, rows("before", range(5000), minutes=0.1)))["stored"]
    conversion = asyncio.create_task(set_up(real_url, enabled()))
    batch = 0
    while not conversion.done() or batch < 5:
        batch += 1
        stored += (await ingest(scratch_client, rows(f"during/{batch}", range(100), minutes=5)))["stored"]
    await conversion

    assert await visible(scratch) == stored


async def test_post_measurements_is_refused_where_the_server_does_not_load_the_extension(
    stand_in_url: str, scratch: AsyncEngine, scratch_client: AsyncClient
) -> None:
    """Rows would go where no query looks once the server loads it again."""
    with pretended_extension(loaded=False):
        answer = await scratch_client.post("/api/v1/measurements", json={"measurements": rows("a", [1])})

    assert (answer.status_code, answer.json()["error_code"]) == (503, "DATABASE_UNAVAILABLE")
    assert await visible(scratch) == 0


async def test_delete_series_works_for_rows_that_are_in_columns(
    real_url: str, scratch: AsyncEngine, scratch_client: AsyncClient
) -> None:
    """More often than a session plans anew by itself, and with more rows than one statement may unpack."""
    await set_up(real_url, enabled())
    await ingest(scratch_client, [each for number in range(24) for each in rows(f"s/{number}", [0])])
    async with unlimited_session(real_url) as session:
        await session.execute(text(SEVENTEEN_DAYS))
        await session.execute(text("SELECT compress_chunk(c) FROM show_chunks('measurements') AS c"))
        await session.commit()

    for number in range(8):
        answer = await scratch_client.delete("/api/v1/measurements/series", params={"series": f"s/{number}"})
        assert answer.status_code == 204, answer.text

    assert await visible(scratch) == 16 * 12_001
