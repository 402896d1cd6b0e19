"""set_up_timescale on servers that cannot, and by roles that may not: the next step, and nothing half done."""

import secrets
from collections.abc import AsyncIterator

import pytest
from sqlalchemy import event, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncSession

from app.cli.migrations import turn
from app.core.database import migration_engine
from app.core.exceptions import ConfigurationError
from app.core.timescale import create_extension, create_hypertables, declared_hypertables
from app.core.timescale.extension import step
from app.models.domain import load_metadata
from tests.hypertables import enabled, pretended_extension, set_up, unlimited_session
from tests.integration.core.timescale.conftest import database_of

pytestmark = pytest.mark.anyio


@pytest.fixture
async def session(scratch_url: str) -> AsyncIterator[AsyncSession]:
    async with unlimited_session(scratch_url) as session:
        yield session


async def take_step(session: AsyncSession, *statements: str) -> None:
    async with step(session):
        for statement in statements:
            await session.execute(text(statement))


async def test_set_up_timescale_names_the_next_step_on_a_server_without_it(
    reason_against: str | None, scratch_url: str
) -> None:
    if reason_against is None:
        pytest.skip("this server has it")
    with pytest.raises(ConfigurationError) as caught:
        await set_up(scratch_url, enabled())
    assert caught.value.message in {
        "The database server has no TimescaleDB.",
        "The database server has TimescaleDB, but does not load it when it starts.",
    }
    assert caught.value.next_step


async def test_set_up_timescale_tries_nothing_on_a_server_that_cannot(stand_in_url: str) -> None:
    """Creating an extension that is not loaded would kill the connection."""
    with pretended_extension(created=None, loaded=False), pytest.raises(ConfigurationError) as caught:
        await set_up(stand_in_url, enabled())
    assert caught.value.__cause__ is None
    async with unlimited_session(stand_in_url) as session:
        assert (await session.scalars(text("SELECT call FROM calls"))).all() == []


async def test_set_up_timescale_refuses_a_role_that_may_not(real_url: str) -> None:
    """First it may not create the extension, then, when that is there, not change tables of others."""
    role = f"test_{secrets.token_hex(4)}"
    hypertables = declared_hypertables(load_metadata())
    engine = migration_engine(database_of(real_url))
    event.listen(engine.sync_engine, "connect", lambda connection, _: connection.cursor().execute(f"SET ROLE {role}"))
    async with unlimited_session(real_url) as session, session.begin():
        await session.execute(text(f"CREATE ROLE {role}"))
        await session.execute(text("REVOKE CREATE ON SCHEMA public FROM PUBLIC"))
    try:
        async with AsyncSession(engine) as restricted:
            with pytest.raises(ConfigurationError, match="set up: permission denied to create extension") as caught:
                await create_extension(restricted)
            assert "owns the tables" in str(caught.value.next_step)
        async with unlimited_session(real_url) as owner:
            await create_extension(owner)
        async with AsyncSession(engine) as restricted:
            assert await create_extension(restricted) == []
            with pytest.raises(ConfigurationError, match="must be owner of"):
                await create_hypertables(restricted, hypertables, enabled())
    finally:
        async with unlimited_session(real_url) as session, session.begin():
            await session.execute(text(f"DROP ROLE {role}"))


async def test_set_up_timescale_waits_for_a_table_in_use_and_not_for_ever(stand_in_url: str) -> None:
    settings = database_of(stand_in_url).model_copy(update={"migration_lock_timeout_seconds": 0.05})
    async with unlimited_session(stand_in_url) as other:
        await other.execute(text("LOCK TABLE measurements IN ACCESS SHARE MODE"))
        async with turn(settings) as connection, AsyncSession(connection) as session:
            with pytest.raises(ConfigurationError, match="set up: canceling statement due to lock") as caught:
                await take_step(session, "ALTER TABLE measurements ADD COLUMN half int")
    assert "docs/timescaledb.md" in str(caught.value.next_step)
    assert isinstance(caught.value.__cause__, DBAPIError)


@pytest.mark.parametrize(
    ("statement", "cause"),
    [
        ("DO $$ BEGIN RAISE 'not in this edition' USING ERRCODE = '0A000'; END $$", "not in this edition"),
        ("SELECT 1 / 0", "could not be set up: division by zero"),
    ],
)
async def test_step_undoes_a_step_that_the_server_refuses(statement: str, cause: str, session: AsyncSession) -> None:
    with pytest.raises(ConfigurationError, match=cause) as caught:
        await take_step(session, "CREATE TABLE half ()", statement)
    assert caught.value.next_step
    assert (await session.execute(text("SELECT to_regclass('half')"))).scalar_one() is None
