"""`rotate`: re-encrypting while others read and write, with commits that are real."""

import asyncio
from typing import Any

import pytest
from pydantic import SecretStr
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from app.core.database import Statement, WriteSession
from app.core.secrets import rotate
from app.core.uow import unit_of_work
from tests.stored_secrets import NEW, OLD, get, make_service, put

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("app", "scratch")]

OLD_KEY, NEW_KEY, BOTH = make_service(OLD), make_service(NEW), make_service(NEW, OLD)
ORGS = [f"org-{number:02}" for number in range(60)]


async def test_rotations_side_by_side_re_encrypt_everything_so_that_the_old_key_can_go(scratch: AsyncEngine) -> None:
    for org in ORGS:
        await put(OLD_KEY, f"value of {org}", org)
    async with scratch.begin() as connection:
        await connection.execute(text("UPDATE secrets SET updated_at = '2001-01-01'"))

    shares = await asyncio.gather(*(rotate(BOTH.keyring(), batch_size=5) for _ in range(3)))

    assert sum(done for done, _ in shares) == len(ORGS)
    assert [await get(NEW_KEY, org) for org in ORGS] == [f"value of {org}" for org in ORGS]
    async with scratch.connect() as connection:
        set_at = await connection.scalars(text("SELECT DISTINCT extract(year FROM updated_at)::int FROM secrets"))
        assert set_at.all() == [2001], "a rotation changes no value"
    assert await rotate(BOTH.keyring()) == (0, {})


async def test_a_value_set_in_the_middle_of_a_batch_wins(scratch: AsyncEngine, monkeypatch: pytest.MonkeyPatch) -> None:
    """The writer comes when the batch has read the old value and not yet written it: it has to wait."""
    await put(OLD_KEY, "before", "acme")
    execute = WriteSession.execute
    writers: list[asyncio.Task[None]] = []

    async def execute_behind_a_writer(session: WriteSession, statement: Statement[Any], **values: object) -> int:
        if statement.sql.startswith("UPDATE"):
            writers.append(asyncio.create_task(put(BOTH, "after", "acme")))
            await waiting_or_done(scratch, writers[0])
        return await execute(session, statement, **values)

    monkeypatch.setattr(WriteSession, "execute", execute_behind_a_writer)
    await rotate(BOTH.keyring())
    await asyncio.gather(*writers)
    assert len(writers) == 1
    assert await get(NEW_KEY, "acme") == "after"


async def waiting_or_done(engine: AsyncEngine, task: asyncio.Task[None]) -> None:
    locks = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
    async with engine.connect() as connection:
        while not task.done() and not await connection.scalar(text(locks)):
            await connection.rollback()
            await asyncio.sleep(0.01)


async def test_a_row_that_is_held_is_passed_over() -> None:
    for org in ORGS:
        await put(OLD_KEY, f"value of {org}", org)
    async with unit_of_work() as uow:
        await OLD_KEY.set_api_key(uow.session, "org-01", "openai", SecretStr("held"))
        held = await rotate(BOTH.keyring(), batch_size=7)

    assert held == (len(ORGS) - 1, {})
    assert await rotate(BOTH.keyring()) == (1, {})
    assert await get(NEW_KEY, "org-01") == "held"
