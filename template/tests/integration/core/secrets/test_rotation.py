"""`rotate`: re-encrypting while others read and write, with commits that are real."""

import asyncio
from collections.abc import Iterable, Mapping
from typing import Any

import pytest
from pydantic import SecretStr
from sqlalchemy import Update, text
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession

from app.core.config.secrets import new_key, parse_keys
from app.core.database import get_database
from app.core.secrets import SecretsService, rotate
from app.core.secrets.rotation import Rotation
from app.core.uow import unit_of_work

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("app", "scratch")]

OLD, NEW = (parse_keys(new_key(key_id))[0] for key_id in ("old", "new"))
OLD_KEY, NEW_KEY, BOTH = (SecretsService(keys=keys, environment={}) for keys in ([OLD], [NEW], [NEW, OLD]))
VALUES = {f"org-{index:02}": f"value {index}" for index in range(60)}


async def put(using: SecretsService, values: Mapping[str, str]) -> None:
    async with unit_of_work() as uow:
        for org, value in values.items():
            await using.set_api_key(uow.session, org, "openai", SecretStr(value))


async def values_of(using: SecretsService, orgs: Iterable[str]) -> dict[str, str]:
    async with get_database().read_session() as session:
        return {org: (await using.get_api_key(session, org, "openai")).get_secret_value() for org in orgs}


async def test_rotations_side_by_side_re_encrypt_everything_so_that_the_old_key_can_go(scratch: AsyncEngine) -> None:
    await put(OLD_KEY, VALUES)
    async with scratch.begin() as connection:
        await connection.execute(text("UPDATE secrets SET updated_at = '2001-01-01'"))

    shares = await asyncio.gather(*(rotate(BOTH.keyring(), batch_size=5) for _ in range(3)))

    assert sum(share.done for share in shares) == len(VALUES)
    assert await values_of(NEW_KEY, VALUES) == VALUES
    async with scratch.connect() as connection:
        set_at = await connection.scalars(text("SELECT DISTINCT extract(year FROM updated_at)::int FROM secrets"))
        assert set_at.all() == [2001], "a rotation changes no value"
    assert await rotate(BOTH.keyring()) == Rotation()


async def test_a_value_set_in_the_middle_of_a_batch_wins(scratch: AsyncEngine, monkeypatch: pytest.MonkeyPatch) -> None:
    """The writer comes when the batch has read the old value and not yet written it: it has to wait."""
    await put(OLD_KEY, {"acme": "before"})
    execute = AsyncSession.execute
    writers: list[asyncio.Task[None]] = []

    async def execute_behind_a_writer(session: AsyncSession, statement: Any, *arguments: Any, **options: Any) -> Any:
        if isinstance(statement, Update):
            writers.append(asyncio.create_task(put(BOTH, {"acme": "after"})))
            await waiting_or_done(scratch, writers[0])
        return await execute(session, statement, *arguments, **options)

    monkeypatch.setattr(AsyncSession, "execute", execute_behind_a_writer)
    await rotate(BOTH.keyring())
    await asyncio.gather(*writers)
    assert len(writers) == 1
    assert await values_of(NEW_KEY, ["acme"]) == {"acme": "after"}


async def waiting_or_done(engine: AsyncEngine, task: asyncio.Task[None]) -> None:
    locks = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
    async with engine.connect() as connection:
        while not task.done() and not await connection.scalar(text(locks)):
            await connection.rollback()
            await asyncio.sleep(0.01)


async def test_a_row_that_is_held_is_passed_over_and_counted() -> None:
    await put(OLD_KEY, VALUES)
    async with unit_of_work() as uow:
        await OLD_KEY.set_api_key(uow.session, "org-01", "openai", SecretStr("held"))
        held = await rotate(BOTH.keyring(), batch_size=7)

    assert held == Rotation(done=len(VALUES) - 1, remaining=1)
    assert await rotate(BOTH.keyring()) == Rotation(done=1)
    assert await values_of(NEW_KEY, ["org-01"]) == {"org-01": "held"}
