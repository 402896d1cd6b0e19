"""On the real TimescaleDB: rows survive, policies run, Alembic finds no difference, statistics are right."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import asyncpg
import pytest

from app.cli import migrations
from app.core.database import Base
from app.core.timescale import declared_hypertables, get_chunk_statistics
from app.models.domain import load_metadata
from devtools.migrations.commands import compare_models
from tests.factories import make_settings
from tests.hypertables import enabled, set_up, unlimited_session
from tests.integration.core.timescale.conftest import database_of

# A series with a measurement an hour for forty days, up to now.
ROWS = """
WITH owner AS (
    INSERT INTO users (id, email, password_hash) VALUES (gen_random_uuid(), 'a@example.com', '-') RETURNING id
), series AS (
    INSERT INTO measurement_series (id, owner_id, name) SELECT gen_random_uuid(), id, 'a' FROM owner RETURNING id
)
INSERT INTO measurements
    SELECT id, now() - hours * interval '1 hour', hours FROM series, generate_series(0, 959) AS hours
"""


@asynccontextmanager
async def driver(url: str) -> AsyncIterator[Any]:
    """A connection on which each statement is a transaction, as running a job wants it."""
    async with unlimited_session(url) as session:
        connection = await (await session.connection()).get_raw_connection()
        yield connection.driver_connection


async def run_policies(connection: Any) -> None:
    """Run them as often as it takes: the scheduler runs them by itself, too, and one gives way to the other."""
    jobs = await connection.fetch(
        "SELECT job_id FROM timescaledb_information.jobs WHERE hypertable_name = 'measurements' ORDER BY job_id"
    )
    for job in jobs:
        for _ in range(50):
            try:
                await connection.execute(f"CALL run_job({job['job_id']})")
                break
            except asyncpg.PostgresError:
                await asyncio.sleep(0.1)


@pytest.mark.anyio
async def test_set_up_timescale_keeps_rows_and_its_policies_run(real_url: str) -> None:
    hypertables = declared_hypertables(load_metadata())
    async with driver(real_url) as connection, unlimited_session(real_url) as session:
        await connection.execute(ROWS)
        assert await get_chunk_statistics(session, hypertables) == []
    await set_up(real_url, enabled(compress_after_days=0))
    async with driver(real_url) as connection, unlimited_session(real_url) as session:
        assert await connection.fetchval("SELECT count(*) FROM measurements") == 960
        (before,) = await get_chunk_statistics(session, hypertables)

    await set_up(real_url, enabled(drop_after_days=30))
    async with driver(real_url) as connection, unlimited_session(real_url) as session:
        await run_policies(connection)
        (after,) = await get_chunk_statistics(session, hypertables)
        left = await connection.fetchrow("SELECT count(*), now() - min(observed_at) AS age FROM measurements")

    assert before.table == "measurements"
    assert (before.chunks >= 40, before.in_columns, before.bytes_after) == (True, 0, None)
    # Whole chunks go: what is younger than the age, and up to a chunk more, is left.
    assert 30 <= left["age"].total_seconds() / 86_400 <= 31
    assert 30 * 24 <= left["count"] <= 31 * 24
    assert after.chunks in {31, 32}
    # All chunks that are older as a whole.
    assert 22 <= after.in_columns <= 24
    assert after.bytes_before is not None
    assert after.bytes_after is not None
    assert after.oldest is not None
    assert before.oldest is not None
    assert after.oldest > before.oldest


@pytest.mark.anyio
async def test_get_chunk_statistics_has_none_of_a_plain_table(scratch_url: str) -> None:
    async with unlimited_session(scratch_url) as session:
        found = await get_chunk_statistics(session, declared_hypertables(load_metadata()))

    assert found == []


def test_app_db_revision_is_empty_after_set_up_timescale(real_url: str) -> None:
    """With rows, so that there are chunks; and with policies, which keep tables of their own."""

    async def fill() -> None:
        async with driver(real_url) as connection:
            await connection.execute(ROWS)

    asyncio.run(fill())
    migrations.upgrade(make_settings(database_url=real_url, timescale=enabled(drop_after_days=30)))

    assert compare_models(database_of(real_url)).operations == []
    # And differences are still found.
    column = Base.metadata.tables["measurements"].columns["value"]
    column.nullable = True
    try:
        assert len(compare_models(database_of(real_url)).operations) == 1
    finally:
        column.nullable = False
