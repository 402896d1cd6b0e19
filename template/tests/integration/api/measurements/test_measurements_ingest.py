"""POST /api/v1/measurements: new rows are stored once, a batch with a wrong one is refused as a whole."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from fastapi import FastAPI
from httpx import AsyncClient
from sqlalchemy import func, select, text
from sqlalchemy.ext.asyncio import AsyncConnection

from app.core.database import WriteSession
from app.models.domain.measurement import Measurement, MeasurementSeries
from app.models.schemas.measurement import MAX_BATCH
from app.repositories import measurements
from app.repositories.measurements import MeasurementRow
from tests.clients import make_client, problem
from tests.factories import make_user
from tests.integration.api.measurements.conftest import MIDNIGHT, PATH, ingest, rows

pytestmark = pytest.mark.anyio


async def stored(connection: AsyncConnection) -> int:
    return (await connection.execute(select(func.count()).select_from(Measurement))).scalar_one()


async def test_post_measurements_stores_a_batch(client: AsyncClient, transaction: AsyncConnection) -> None:
    batch = rows("kitchen/temperature", [20.5, 20.25, -1e-9]) + rows("hall", [0])

    assert await ingest(client, batch) == {"stored": 4, "duplicates": 0}

    found = await transaction.execute(
        select(MeasurementSeries.name, Measurement.observed_at, Measurement.value)
        .join(MeasurementSeries)
        .order_by(MeasurementSeries.name, Measurement.observed_at)
    )
    assert found.all() == [
        ("hall", MIDNIGHT, 0.0),
        ("kitchen/temperature", MIDNIGHT, 20.5),
        ("kitchen/temperature", MIDNIGHT + timedelta(hours=1), 20.25),
        ("kitchen/temperature", MIDNIGHT + timedelta(hours=2), -1e-9),
    ]


async def test_post_measurements_sent_again_changes_nothing(client: AsyncClient, transaction: AsyncConnection) -> None:
    await ingest(client, rows("a", [1, 2, 3]))

    assert await ingest(client, rows("a", [1, 2, 3])) == {"stored": 0, "duplicates": 3}
    assert await ingest(client, rows("a", [7, 7, 7, 4])) == {"stored": 1, "duplicates": 3}

    values = await transaction.execute(select(Measurement.value).order_by(Measurement.observed_at))
    assert values.scalars().all() == [1, 2, 3, 4]


async def test_post_measurements_keeps_the_first_of_two_in_one_batch(
    client: AsyncClient, transaction: AsyncConnection
) -> None:
    batch = rows("a", [1]) + rows("b", [5]) + rows("a", [2])
    # The same moment, as somewhere else would write it.
    batch[2]["observed_at"] = MIDNIGHT.astimezone(tz=None).isoformat()

    assert await ingest(client, batch) == {"stored": 2, "duplicates": 1}

    assert set((await transaction.execute(select(Measurement.value))).scalars()) == {1, 5}


async def test_post_measurements_of_the_same_batch_at_once_stores_it_once(committing: AsyncClient) -> None:
    """Backwards and forwards, over several chunks: none wait in a circle, which ends with an error."""
    batch = [each for name in "abc" for each in rows(name, range(1000), minutes=5, begin=MIDNIGHT - timedelta(days=3))]
    # Requests that make the series would wait for each other before they could meet.
    await ingest(committing, [each for name in "abc" for each in rows(name, [0])])

    done = await asyncio.gather(*(ingest(committing, batch[:: 1 - 2 * (n % 2)]) for n in range(8)))

    # The moment at midnight is there already.
    assert sum(each["stored"] for each in done) == len(batch) - 3
    assert all(each["stored"] + each["duplicates"] == len(batch) for each in done)


async def test_post_measurements_stores_rows_in_one_order_however_they_came(
    client: AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[list[MeasurementRow]] = []
    copy = measurements.copy_measurements

    async def noted(session: WriteSession, new: list[MeasurementRow]) -> None:
        seen.append(new)
        await copy(session, new)

    monkeypatch.setattr(measurements, "copy_measurements", noted)
    batch = [each for name in "abc" for each in rows(name, range(20), minutes=720, begin=MIDNIGHT - timedelta(days=9))]
    for order in (batch, batch[::-1]):
        await ingest(client, order)

    assert len(seen[0]) == len(batch)
    assert seen[0] == seen[1]


async def test_deleting_a_user_deletes_their_measurements(client: AsyncClient, transaction: AsyncConnection) -> None:
    await ingest(client, rows("a", [1, 2]))

    await transaction.execute(text("DELETE FROM users"))

    assert await stored(transaction) == 0


@pytest.mark.parametrize(
    ("field", "wrong"),
    [
        ("value", "12"),
        ("value", True),
        ("value", 1e101),
        ("observed_at", "2026-01-01T00:00:00"),
        ("observed_at", "1700000000"),
        ("series", "a b"),
        ("series", "a" * 129),
        ("unit", "K"),
    ],
)
async def test_post_measurements_refuses_a_batch_with_a_wrong_one(
    field: str, wrong: object, client: AsyncClient, transaction: AsyncConnection
) -> None:
    batch = rows("a", [1, 2, 3])
    batch[1][field] = wrong

    refused = problem(await client.post(PATH, json={"measurements": batch}), 422, "VALIDATION_ERROR")

    assert refused["field"] == f"body.measurements.1.{field}"
    assert await stored(transaction) == 0


async def test_post_measurements_refuses_the_future_beyond_the_difference_of_clocks(
    client: AsyncClient, transaction: AsyncConnection
) -> None:
    now = datetime.now(UTC)
    batch = rows("a", [1, 2], begin=now + timedelta(minutes=2), minutes=4)

    refused = problem(await client.post(PATH, json={"measurements": batch}), 422, "VALIDATION_ERROR")

    assert refused["field"] == "body.measurements.1.observed_at"
    assert refused["detail"] == "must not be more than 5 minutes in the future"
    assert await stored(transaction) == 0
    assert await ingest(client, rows("a", [1], begin=now + timedelta(minutes=4))) == {"stored": 1, "duplicates": 0}


async def test_post_measurements_makes_a_bounded_number_of_chunks(
    client: AsyncClient, transaction: AsyncConnection
) -> None:
    for begin, days, rule in (
        (datetime.now(UTC) - timedelta(days=40), 32, "within 31 days of each other"),
        (datetime.now(UTC) - timedelta(days=367), 1, "must not be over 366 days old"),
    ):
        answer = await client.post(PATH, json={"measurements": rows("a", [1, 2], begin=begin, minutes=days * 1440)})
        assert rule in problem(answer, 422, "VALIDATION_ERROR")["detail"]
    assert await stored(transaction) == 0


async def test_post_measurements_refuses_a_million_with_the_bound(
    client: AsyncClient, transaction: AsyncConnection
) -> None:
    """Over the limit of bytes it is not even read; under it, the number counts."""
    one = '{"series":"a","observed_at":"2026-11-01T00:00:00Z","value":1},'

    async def million() -> Any:
        yield b'{"measurements":['
        for _ in range(1000):
            yield (one * 1000).encode()

    problem(await client.post(PATH, content=million()), 413, "BODY_TOO_LARGE")

    short = [{"series": "a", "observed_at": "2026-11-01T00:00:00Z", "value": 1}] * (MAX_BATCH + 1)
    found = problem(await client.post(PATH, json={"measurements": short}), 422, "VALIDATION_ERROR")
    assert found["field"] == "body.measurements"
    assert f"at most {MAX_BATCH} " in found["errors"][0]["message"]
    assert (await client.post(PATH, json={"measurements": []})).status_code == 422
    # The first wrong one ends the check.
    answer = await client.post(PATH, json={"measurements": [{}] * MAX_BATCH})
    assert len(answer.json()["errors"]) <= 3
    assert await stored(transaction) == 0


@pytest.mark.parametrize(
    ("scopes", "reads", "writes"),
    [([], 403, 403), (["measurements:read"], 200, 403), (["measurements:write"], 403, 200)],
)
async def test_measurements_need_their_scopes(
    scopes: list[str], reads: int, writes: int, app: FastAPI, transaction: AsyncConnection
) -> None:
    _, tokens = await make_user(scopes=scopes)
    async with make_client(app, tokens) as client:
        assert (await client.get(f"{PATH}/latest")).status_code == reads
        assert (await client.post(PATH, json={"measurements": rows("a", [1])})).status_code == writes
