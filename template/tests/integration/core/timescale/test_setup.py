"""set_up_timescale: declared hypertables are made, once, and later settings are applied."""

import asyncio
from typing import Any

import pytest
from sqlalchemy import Column, DateTime, Integer, MetaData, Table, text

from app.cli import migrations
from app.core.config.timescale import TimescaleSettings
from app.core.timescale import as_hypertable
from tests.factories import make_settings
from tests.hypertables import enabled, set_up, unlimited_session

pytestmark = pytest.mark.anyio

JOBS = (
    "SELECT to_jsonb(j) FROM timescaledb_information.jobs AS j WHERE hypertable_name = 'measurements' ORDER BY job_id"
)


async def values(url: str, statement: str) -> list[Any]:
    async with unlimited_session(url) as session:
        return list((await session.scalars(text(statement))).all())


async def ages(url: str) -> dict[str, str]:
    """The policies by what their jobs run."""
    jobs = await values(url, JOBS)
    return {job["proc_name"]: job["config"].get("compress_after") or job["config"]["drop_after"] for job in jobs}


async def test_set_up_timescale_makes_what_is_declared(either_url: str) -> None:
    changes = await set_up(either_url, enabled(drop_after_days=30))

    assert [change for change in changes if "columns by" not in change] == [
        "measurements: made a hypertable, a chunk for every 24 h",
        "measurements: chunks are converted to columns after 7 days",
        "measurements: chunks are dropped after 30 days",
    ]
    assert await ages(either_url) == {"policy_compression": "7 days", "policy_retention": "30 days"}
    assert await values(either_url, "SELECT hypertable_name FROM timescaledb_information.hypertables") == [
        "measurements"
    ]


async def test_set_up_timescale_takes_its_steps_in_order(stand_in_url: str) -> None:
    await set_up(stand_in_url, enabled(drop_after_days=30))

    assert await values(stand_in_url, "SELECT call FROM calls ORDER BY number") == [
        "create_hypertable",
        "add_columnstore_policy",
        "add_retention_policy",
    ]


async def test_set_up_timescale_again_touches_nothing(either_url: str) -> None:
    await set_up(either_url, enabled(drop_after_days=30))
    before = await values(either_url, JOBS)

    assert await set_up(either_url, enabled(drop_after_days=30)) == []

    after = await values(either_url, JOBS)
    # When the scheduler means to run a job next is its own affair.
    assert [job | {"next_start": 0} for job in after] == [job | {"next_start": 0} for job in before]
    assert len(before) == 2


async def test_set_up_timescale_applies_changed_settings_and_nothing_else(either_url: str) -> None:
    await set_up(either_url, enabled(drop_after_days=30))
    kept = [job["job_id"] for job in await values(either_url, JOBS) if job["proc_name"] == "policy_compression"]

    assert await set_up(either_url, enabled(drop_after_days=60, chunk_interval_hours=12)) == [
        "measurements: new chunks are for 12 h, not 24 h",
        "measurements: chunks are dropped after 60 days",
    ]

    assert await ages(either_url) == {"policy_compression": "7 days", "policy_retention": "60 days"}
    jobs = await values(either_url, JOBS)
    assert [job["job_id"] for job in jobs if job["proc_name"] == "policy_compression"] == kept
    assert await values(either_url, "SELECT time_interval = '12 hours' FROM timescaledb_information.dimensions") == [
        True
    ]


async def test_set_up_timescale_removes_policies(either_url: str) -> None:
    await set_up(either_url, enabled(drop_after_days=30))

    assert await set_up(either_url, enabled(compress_after_days=0, drop_after_days=0)) == [
        "measurements: chunks are no longer converted to columns",
        "measurements: chunks are no longer dropped",
    ]

    assert await ages(either_url) == {}
    assert await set_up(either_url, enabled(compress_after_days=0, drop_after_days=0)) == []


async def test_set_up_timescale_keeps_policies_whose_variable_is_not_set(either_url: str) -> None:
    """As on a machine that lacks production's settings."""
    await set_up(either_url, enabled(compress_after_days=9, drop_after_days=30, chunk_interval_hours=12))

    assert await set_up(either_url, TimescaleSettings(enabled=True)) == []

    assert await ages(either_url) == {"policy_compression": "9 days", "policy_retention": "30 days"}
    await set_up(either_url, enabled(compress_after_days=0))
    assert await set_up(either_url, TimescaleSettings(enabled=True)) == []


async def test_set_up_timescale_has_defaults_for_a_new_hypertable(real_url: str) -> None:
    assert len(await set_up(real_url, TimescaleSettings(enabled=True))) == 3
    assert await ages(real_url) == {"policy_compression": "7 days"}


async def test_set_up_timescale_quotes_words_of_sql_and_mixed_case(real_url: str) -> None:
    """Each of these names needs quotes, some only by the server's rules."""
    metadata = MetaData()
    for name, time, series in (("Readings", "time", "Sensor"), ("order", "timestamp", "user"), ("plain", "At", "a b")):
        Table(
            name,
            metadata,
            Column(series, Integer, primary_key=True),
            Column(time, DateTime(timezone=True), primary_key=True),
            info=as_hypertable(time=time, segment_by=[series]),
        )
    async with unlimited_session(real_url) as session:
        await session.run_sync(lambda sync: metadata.create_all(sync.connection()))
        await session.commit()
    settings = enabled(drop_after_days=30)

    changes = await set_up(real_url, settings, metadata)

    assert sum("made a hypertable" in change for change in changes) == 3
    assert await set_up(real_url, settings, metadata) == []


async def test_set_up_timescale_twice_at_once_takes_turns(either_url: str) -> None:
    both = await asyncio.gather(*(set_up(either_url, enabled(drop_after_days=30)) for _ in range(2)))

    done = [change for changes in both for change in changes]
    assert len(done) == len(set(done))
    assert len(await values(either_url, JOBS)) == 2


async def test_set_up_timescale_leaves_a_table_that_is_not_there_for_later(either_url: str) -> None:
    async with unlimited_session(either_url) as session:
        connection = await (await session.connection()).get_raw_connection()
        assert connection.driver_connection is not None
        await connection.driver_connection.execute("DROP TABLE measurements")

    assert await set_up(either_url, enabled(drop_after_days=30)) == []


async def test_upgrade_looks_at_nothing_where_timescale_is_switched_off(stand_in_url: str) -> None:
    settings = make_settings(database_url=stand_in_url, timescale=enabled(enabled=False, drop_after_days=30))

    await asyncio.to_thread(migrations.upgrade, settings)

    assert await values(stand_in_url, "SELECT call FROM calls") == []
