"""`docs/timescaledb.md`: each change that it names has the outcome that it promises, on the real TimescaleDB."""

import re
from pathlib import Path

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncSession

from tests.hypertables import enabled, set_up, unlimited_session
from tests.integration.core.timescale.test_hypertables import ROWS

pytestmark = pytest.mark.anyio

PAGE = (Path(__file__).parents[4] / "docs" / "timescaledb.md").read_text(encoding="utf-8")
CHANGES = re.findall(r"^\| `(.+?)` \| (taken|refused) \|$", PAGE, re.MULTILINE)
IN_COLUMNS = "SELECT count(*) FROM timescaledb_information.chunks WHERE is_compressed"


@pytest.fixture
async def columns_url(real_url: str) -> str:
    """A database whose measurements are kept in columns."""
    await set_up(real_url, enabled())
    async with unlimited_session(real_url) as session:
        await session.execute(text(ROWS))
        await session.execute(text("SELECT compress_chunk(c) FROM show_chunks('measurements') AS c"))
        await session.commit()
    return real_url


async def is_taken(session: AsyncSession, change: str) -> bool:
    """Return True if the server takes a change; it is taken back."""
    try:
        if "CONCURRENTLY" in change:
            connection = await session.connection(execution_options={"isolation_level": "AUTOCOMMIT"})
            await connection.execute(text(change))
        else:
            await session.execute(text(change))
    except DBAPIError:
        return False
    finally:
        await session.rollback()
    return True


async def test_timescaledb_page_has_the_changes_that_a_hypertable_takes(columns_url: str) -> None:
    outcomes = {}
    for change, _ in CHANGES:
        async with unlimited_session(columns_url) as session:
            outcomes[change] = "taken" if await is_taken(session, change) else "refused"

    assert outcomes == dict(CHANGES)
    assert {*outcomes.values()} == {"taken", "refused"}


async def test_timescaledb_page_has_the_way_to_make_a_change_that_is_refused(columns_url: str) -> None:
    (recipe, deletion) = re.findall(r"^```sql\n(.+?)^```$", PAGE, re.MULTILINE | re.DOTALL)
    async with unlimited_session(columns_url) as session:
        for statement in recipe.split(";\n")[:-1]:
            await session.execute(text(statement))
        await session.commit()
        assert await session.scalar(text(IN_COLUMNS)) == 0

    assert len(await set_up(columns_url, enabled())) == 2
    assert await set_up(columns_url, enabled()) == []
    async with unlimited_session(columns_url) as session:
        await session.execute(text("SELECT compress_chunk(c) FROM show_chunks('measurements') AS c"))
        await session.execute(text(deletion))
        await session.execute(text("DELETE FROM users"))
        assert await session.scalar(text("SELECT count(*) FROM measurements")) == 0
