"""Retention over simulated months: what it owns does not grow."""

import pytest
from fastapi import FastAPI
from sqlalchemy.ext.asyncio import AsyncEngine

from app.core.jobs import get_jobs
from app.services.retention import PurgeOldRows
from tests.factories import make_user
from tests.integration.test_retention import age, live_a_day, sizes

pytestmark = pytest.mark.anyio


async def test_purge_keeps_tables_from_growing_over_months(app: FastAPI, scratch: AsyncEngine) -> None:
    await make_user()
    nightly = PurgeOldRows()
    assert "retention.purge" in {job_type.type for _, job_type in get_jobs().schedules}
    seen = []
    for _ in range(16):
        for _ in range(10):
            await live_a_day(scratch)
            await age(scratch, 1)
        await get_jobs().run(nightly.type, nightly.to_payload(), {}, number=1, starts=1)
        seen.append(await sizes(scratch))

    assert seen[-1] == seen[-5], "it still grows after 120 days"
    assert all(0 < count <= 300 for count in seen[-1].values()), seen[-1]
