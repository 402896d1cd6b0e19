"""The cost of ingesting measurements, against a bare COPY of the same rows by the same driver.

Run it with a rendered project's Python, in the project's folder, with that on PYTHONPATH.
`TEST_DATABASE_URL` may name a server; where that has TimescaleDB, the rows go into a hypertable,
else into a plain table. In each round every way has its turn, with rows of its own that continue
where the last round's ended.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import statistics
import time
from collections.abc import Awaitable, Callable, Iterator
from datetime import UTC, datetime, timedelta
from uuid import UUID

import asyncpg
from app.cli import migrations
from app.core.config.process import LoggingSettings
from app.core.config.timescale import TimescaleSettings
from app.core.uow import unit_of_work
from app.main import create_app
from app.models.schemas.measurement import MAX_BATCH, MeasurementBatch
from app.repositories.measurements import find_series, insert_series
from app.services.measurements import ingest
from sqlalchemy.engine import make_url

from tests.clients import make_client
from tests.databases import DatabaseServer, running_server
from tests.factories import make_settings, make_user

ROUNDS = 15
SERIES = 50
JSON = {"Content-Type": "application/json"}
# Of the rows per second that a bare COPY reaches.
LIMIT = 0.6

Row = tuple[str, datetime, float]
Way = Callable[[list[Row]], Awaitable[None]]


def batches() -> Iterator[list[Row]]:
    """Yield batches of rows, each later than the one before."""
    start = datetime.now(UTC) - timedelta(days=20)
    numbers = itertools.count()
    while True:
        yield [
            (f"series-{n % SERIES}", start + timedelta(milliseconds=100 * n), n * 0.25)
            for n in itertools.islice(numbers, MAX_BATCH)
        ]


def body_of(rows: list[Row]) -> str:
    """Return what a client sends."""
    return json.dumps(
        {
            "measurements": [
                {"series": name, "observed_at": moment.isoformat(), "value": value}
                for name, moment, value in rows
            ]
        }
    )


async def measure(url: str, *, enabled: bool) -> dict[str, list[float]]:
    """Return the seconds of each round by the name of the way."""
    settings = make_settings(
        database_url=url,
        timescale=TimescaleSettings(enabled=enabled),
        logging=LoggingSettings(level="ERROR"),
    )
    app = create_app(settings)
    address = make_url(url)
    async with app.router.lifespan_context(app):
        user, tokens = await make_user()
        names = [f"series-{number}" for number in range(SERIES)]
        async with unit_of_work() as uow:
            await insert_series(uow.session, user.id, names)
            keys: dict[str, UUID] = await find_series(uow.session, user.id, names)
        bare = await asyncpg.connect(
            host=address.host or address.query.get("host"),
            port=address.port or address.query.get("port"),
            user=address.username,
            password=address.password,
            database=address.database,
        )
        client = make_client(app, tokens)

        async def copy(rows: list[Row]) -> None:
            records = [(keys[name], moment, value) for name, moment, value in rows]
            columns = ["series_id", "observed_at", "value"]
            async with bare.transaction():
                await bare.copy_records_to_table("measurements", records=records, columns=columns)

        async def service(rows: list[Row]) -> None:
            batch = MeasurementBatch.model_validate_json(body_of(rows))
            began[0] = time.perf_counter()
            async with unit_of_work() as uow:
                assert (await ingest(uow, user.id, batch.measurements)).duplicates == 0

        async def request(rows: list[Row]) -> None:
            body = body_of(rows)
            began[0] = time.perf_counter()
            answer = await client.post("/api/v1/measurements", content=body, headers=JSON)
            assert answer.json() == {"stored": len(rows), "duplicates": 0}, answer.text

        seconds: dict[str, list[float]] = {}
        began = [0.0]
        ways: dict[str, Way] = {"bare COPY": copy, "ingest": service, "request": request}
        source = batches()
        for turn in range(ROUNDS + 1):
            for label, way in ways.items():
                rows = next(source)
                began[0] = time.perf_counter()
                await way(rows)
                if turn:
                    seconds.setdefault(label, []).append(time.perf_counter() - began[0])
        await bare.close()
        await client.aclose()
    return seconds


def report(seconds: dict[str, list[float]]) -> Iterator[str]:
    """Say how many rows a second each way stores, and its share of a bare COPY, round by round."""
    for label, taken in seconds.items():
        low, middle, high = statistics.quantiles(shares(seconds, label), n=4)
        rate = MAX_BATCH / statistics.median(taken)
        yield f"{label:12}{rate:>10.0f} rows/s{middle:>8.2f} ({low:.2f} to {high:.2f})"


def shares(seconds: dict[str, list[float]], label: str) -> list[float]:
    """Return the share of the bare COPY's rate that a way reaches in each round."""
    pairs = zip(seconds["bare COPY"], seconds[label], strict=True)
    return [bare / taken for bare, taken in pairs]


def prepare(server: DatabaseServer) -> bool:
    """Migrate the template; return whether the server has TimescaleDB."""
    url = server.url(server.template).render_as_string(hide_password=False)
    migrations.upgrade(make_settings(database_url=url))
    server.seal_template()
    return asyncio.run(_has_timescale(server))


async def _has_timescale(server: DatabaseServer) -> bool:
    from tests.hypertables import find_reason_against

    return await find_reason_against(server) is None


def main() -> int:
    """Measure in a database of its own; 1 when ingesting misses its limit."""
    with running_server() as server:
        enabled = prepare(server)
        with server.clone("ingest") as url:
            if enabled:
                timescale = TimescaleSettings(enabled=True)
                migrations.upgrade(make_settings(database_url=url, timescale=timescale))
            seconds = asyncio.run(measure(url, enabled=enabled))
    print("into a hypertable" if enabled else "into a plain table: the server has no TimescaleDB")
    print(*report(seconds), sep="\n")
    share = statistics.median(shares(seconds, "ingest"))
    print(f"\ningest, of a bare COPY: {share:.2f}, at least {LIMIT}")
    return int(share < LIMIT)


if __name__ == "__main__":
    raise SystemExit(main())
