"""Re-encrypting while others read and write, with commits that are real."""

import asyncio
from collections.abc import Mapping
from typing import Any

import pytest
from pydantic import SecretStr
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from app.core.config import IntegrationsSettings, SecretsSettings
from app.core.config.secrets import new_key
from app.core.database import get_database
from app.core.secrets import SecretsService, UnknownKeyError, make_keyring, make_secrets_service, rotation, store
from app.core.secrets.rotation import Rotation, rotate
from app.core.uow import atomic

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("app")]

OLD, NEW = (new_key(key_id).get_secret_value() for key_id in ("old", "new"))


def settings(*keys: str) -> SecretsSettings:
    return SecretsSettings(keys=SecretStr(",".join(keys)))


def service(*keys: str) -> SecretsService:
    return make_secrets_service(settings(*keys), IntegrationsSettings())


async def put(using: SecretsService, values: Mapping[str, str]) -> None:
    async with get_database().session() as session, atomic(session):
        for org, value in values.items():
            await using.set_api_key(session, org, "openai", SecretStr(value))


async def values_of(using: SecretsService, orgs: Mapping[str, str]) -> dict[str, str]:
    async with get_database().read_session() as session:
        return {org: (await using.get_api_key(session, org, "openai")).get_secret_value() for org in orgs}


async def counts() -> Mapping[str, int]:
    async with get_database().read_session() as session:
        return await store.count_by_key(session)


async def run(*keys: str, **options: Any) -> Rotation:
    return await rotate(open_session=get_database().session, keyring=make_keyring(settings(*keys)), **options)


def some(number: int) -> dict[str, str]:
    return {f"org-{index}": f"value {index}" for index in range(number)}


async def test_everything_is_re_encrypted_and_the_old_key_can_go(scratch: AsyncEngine) -> None:
    values = some(25)
    await put(service(OLD), values)
    async with scratch.begin() as connection:
        await connection.execute(text("UPDATE secrets SET updated_at = '2001-01-01'"))

    assert await run(NEW, OLD, batch_size=10) == Rotation(done=25)
    assert await values_of(service(NEW), values) == values
    async with scratch.connect() as connection:
        set_at = await connection.scalars(text("SELECT DISTINCT extract(year FROM updated_at)::int FROM secrets"))
        assert set_at.all() == [2001], "a rotation changes no value"
    assert await run(NEW, OLD) == Rotation()


async def test_a_value_set_in_the_middle_of_a_batch_wins(scratch: AsyncEngine, monkeypatch: pytest.MonkeyPatch) -> None:
    """The writer comes when the batch has read the old value and not yet written it: it has to wait."""
    await put(service(OLD), {"acme": "before"})
    replace = store.replace_envelopes
    writers: list[asyncio.Task[None]] = []

    async def with_a_writer(*arguments: Any, **options: Any) -> None:
        writers.append(asyncio.create_task(put(service(NEW, OLD), {"acme": "after"})))
        await waiting_or_done(scratch, writers[0])
        await replace(*arguments, **options)

    monkeypatch.setattr(store, "replace_envelopes", with_a_writer)
    await run(NEW, OLD)
    await asyncio.gather(*writers)
    assert await values_of(service(NEW), {"acme": ""}) == {"acme": "after"}


async def waiting_or_done(engine: AsyncEngine, task: asyncio.Task[None]) -> None:
    async with engine.connect() as connection:
        statement = text(
            "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
        )
        while not task.done() and not await connection.scalar(statement):
            await connection.rollback()
            await asyncio.sleep(0.01)


async def test_rotations_side_by_side_share_the_work(scratch: AsyncEngine) -> None:
    values = some(60)
    await put(service(OLD), values)
    shares = await asyncio.gather(*(run(NEW, OLD, batch_size=5) for _ in range(3)))
    assert sum(share.done for share in shares) == 60
    assert await values_of(service(NEW), values) == values


async def test_a_row_that_is_held_is_passed_over_and_done_later(
    scratch: AsyncEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rotation, "_PAUSE_SECONDS", 0.01)
    await put(service(OLD), some(3))
    async with get_database().session() as session, atomic(session):
        await service(OLD).set_api_key(session, "org-1", "openai", SecretStr("held"))
        held = await run(NEW, OLD)
    assert (held.done, held.remaining) == (2, 1)
    assert await counts() == {"new": 2, "old": 1}

    assert await run(NEW, OLD) == Rotation(done=1)
    assert await values_of(service(NEW), {"org-1": ""}) == {"org-1": "held"}


async def test_what_cannot_be_decrypted_is_reported_left_alone_and_holds_nothing_up(scratch: AsyncEngine) -> None:
    values = some(9)
    await put(service(OLD), values)
    await put(service(new_key("lost").get_secret_value()), {"org-0": "lost", "org-4": "lost"})

    done = await run(NEW, OLD, batch_size=2)

    assert (done.done, done.remaining) == (7, 0)
    assert done.failures.keys() == {"/organizations/org-0/openai_api_key", "/organizations/org-4/openai_api_key"}
    assert {type(error) for error in done.failures.values()} == {UnknownKeyError}
    assert await counts() == {"lost": 2, "new": 7}
