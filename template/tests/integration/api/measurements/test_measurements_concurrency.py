"""Batches that come in together: new series, new chunks, and a conversion while they come."""

import asyncio
from datetime import timedelta

import pytest
from httpx import AsyncClient
from sqlalchemy import text

from app.core.database import Database
from tests.integration.api.measurements.conftest import MIDNIGHT, ingest, rows

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize(("clients", "rounds"), [(4, 8), (32, 3)])
async def test_post_measurements_stores_new_series_of_many_clients_in_new_chunks(
    clients: int, rounds: int, committing: AsyncClient
) -> None:
    for number in range(rounds):
        day = MIDNIGHT - timedelta(days=number + 2)
        batches = [rows(f"new/{number}/{client}", range(50), begin=day, minutes=1) for client in range(clients)]

        done = await asyncio.gather(*(ingest(committing, batch) for batch in batches))

        assert done == [{"stored": 50, "duplicates": 0}] * clients


async def test_post_measurements_stores_known_and_new_series_in_a_new_chunk(committing: AsyncClient) -> None:
    """As at every boundary of chunks: most series are known, one request in four has a new one."""
    for client in range(4):
        await ingest(committing, rows(f"known/{client}", [0]))
    for number in range(6):
        day = MIDNIGHT - timedelta(days=number + 20)
        batches = [rows(f"known/{client}", range(500), begin=day, minutes=1) for client in range(4)]
        batches[0] += rows(f"new/{number}", range(500), begin=day, minutes=1)

        done = await asyncio.gather(*(ingest(committing, batch) for batch in batches))

        assert [each["stored"] for each in done] == [1000, 500, 500, 500]


async def test_post_measurements_is_repeated_when_the_server_ends_a_deadlock_with_it(
    committing: AsyncClient, measuring_database: Database
) -> None:
    """Another transaction stores the later row first, and the earlier one while the request waits for the later."""
    await ingest(committing, rows("a", [0]))
    begin = MIDNIGHT + timedelta(hours=1)
    insert = text("INSERT INTO measurements SELECT id, :moment, 7 FROM measurement_series")
    async with measuring_database.writing.engine.connect() as other:
        # The request notices first, after a second, and is the one that is given up.
        await other.execute(text("SET LOCAL deadlock_timeout = '20s'"))
        await other.execute(insert, {"moment": begin + timedelta(hours=1)})
        request = asyncio.create_task(ingest(committing, rows("a", [1, 2], begin=begin)))
        async with asyncio.timeout(30):
            while not await other.scalar(text("SELECT count(*) FROM pg_locks WHERE NOT granted")):  # noqa: ASYNC110
                await asyncio.sleep(0.01)
        await other.execute(insert, {"moment": begin})
        await other.commit()

    assert await request == {"stored": 0, "duplicates": 2}


async def test_delete_series_takes_its_measurements_along(committing: AsyncClient) -> None:
    await ingest(committing, rows("a", [1]) + rows("b/c", [2]))

    for status in (204, 404):
        answer = await committing.delete("/api/v1/measurements/series", params={"series": "b/c"})
        assert answer.status_code == status

    latest = await committing.get("/api/v1/measurements/latest")
    assert [each["series"] for each in latest.json()["latest"]] == ["a"]
