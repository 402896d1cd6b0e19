"""Retention: what is old goes, what is not stays, and what would grow does not."""

import asyncio
from datetime import timedelta

import pytest
from fastapi import FastAPI
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from app.core.process import get_object
from app.services import retention
from app.services.retention import Retention
from tests.factories import make_user

pytestmark = pytest.mark.anyio

TABLES = ("refresh_tokens", "sessions", "api_keys", "users", "jobs.pgqueuer", "jobs.pgqueuer_log")
# A day in the life of a user: a session that is refreshed and ends, one that is forgotten, a key that is revoked, and
# jobs, one of which is put aside. Another one registers, and never confirms the address.
DAY = """
WITH owner AS (SELECT id FROM users, generate_series(1, :times) WHERE email_verified_at IS NOT NULL),
registered AS (INSERT INTO users (id, email, password_hash, email_verified_at)
    SELECT id, id::text, '', NULL FROM (SELECT gen_random_uuid() AS id FROM owner) AS made),
ended AS (INSERT INTO sessions (id, user_id, created_at, revoked_at)
    SELECT gen_random_uuid(), id, now(), now() + interval '1 hour' FROM owner RETURNING id),
idle AS (INSERT INTO sessions (id, user_id) SELECT gen_random_uuid(), id FROM owner RETURNING id),
tokens AS (INSERT INTO refresh_tokens (id, session_id, fingerprint, expires_at)
    SELECT gen_random_uuid(), id, uuid_send(gen_random_uuid()), now() + interval '30 days'
    FROM (SELECT id FROM ended UNION ALL SELECT id FROM idle) AS found),
keys AS (INSERT INTO api_keys (id, user_id, name, hint, fingerprint, scopes, revoked_at)
    SELECT gen_random_uuid(), id, 'key', 'abcd', uuid_send(gen_random_uuid()), '{}', now() FROM owner),
failed AS (INSERT INTO jobs.pgqueuer (priority, status, entrypoint)
    SELECT 0, 'failed'::jobs.pgqueuer_status, 'chore' FROM owner RETURNING id)
INSERT INTO jobs.pgqueuer_log (job_id, status, entrypoint, priority)
SELECT id, 'failed'::jobs.pgqueuer_status, 'chore', 0 FROM failed
UNION ALL SELECT -n, 'successful', 'chore', 0 FROM owner, generate_series(1, 3) n
"""
ONE_USER = dict.fromkeys(TABLES, 0) | {"users": 1}
# As if all of it had happened earlier.
AGE = """
UPDATE sessions SET created_at = created_at - CAST(:days AS interval);
UPDATE sessions SET revoked_at = revoked_at - CAST(:days AS interval);
UPDATE refresh_tokens SET expires_at = expires_at - CAST(:days AS interval);
UPDATE api_keys SET revoked_at = revoked_at - CAST(:days AS interval);
UPDATE users SET created_at = created_at - CAST(:days AS interval) WHERE email_verified_at IS NULL;
UPDATE jobs.pgqueuer SET updated = updated - CAST(:days AS interval);
UPDATE jobs.pgqueuer_log SET created = created - CAST(:days AS interval)
"""


@pytest.fixture(autouse=True)
async def _one_user(app: FastAPI, scratch: AsyncEngine) -> None:
    """A user who is there throughout."""
    await make_user()


async def age(scratch: AsyncEngine, days: int) -> None:
    async with scratch.begin() as connection:
        for statement in AGE.split(";"):
            await connection.execute(text(statement), {"days": timedelta(days=days)})


async def live_a_day(scratch: AsyncEngine, *, times: int = 1) -> None:
    async with scratch.begin() as connection:
        await connection.execute(text(DAY), {"times": times})


async def sizes(scratch: AsyncEngine) -> dict[str, int]:
    async with scratch.connect() as connection:
        return {table: await connection.scalar(text(f"SELECT count(*) FROM {table}")) or 0 for table in TABLES}


async def test_purge_takes_what_is_old_and_leaves_what_is_in_use(scratch: AsyncEngine) -> None:
    await live_a_day(scratch)
    before = await sizes(scratch)
    assert not any((await get_object(Retention).purge()).values())
    assert await sizes(scratch) == before

    await age(scratch, 29)
    assert not any((await get_object(Retention).purge()).values())
    # Idle sessions go with the last of their tokens, which lived for 30 days and was kept for 30 more.
    await age(scratch, 2)
    purged = await get_object(Retention).purge()
    assert [purged[table.rpartition(".")[2]] for table in TABLES] == [1, 1, 0, 1, 0, 3]
    await age(scratch, 60)
    purged = await get_object(Retention).purge()
    assert (purged["api_keys"], purged["pgqueuer"], purged["pgqueuer_log"]) == (1, 1, 1)
    assert await sizes(scratch) == ONE_USER


async def test_purge_waits_for_no_lock_and_goes_on_where_it_was_interrupted(
    scratch: AsyncEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    await live_a_day(scratch, times=2500)
    await age(scratch, 400)

    class Killed(Exception):
        pass

    def interrupt(table: str, deleted: int) -> None:
        if table == "sessions" and deleted == 2 * retention.BATCH:
            raise Killed

    async with scratch.connect() as other:
        locked = await other.execute(text("SELECT id FROM api_keys LIMIT 1 FOR UPDATE"))
        with pytest.raises(Killed):
            await get_object(Retention).purge(interrupt)
        left = await sizes(scratch)
        assert (left["refresh_tokens"], left["sessions"]) == (0, 5001 - 2 * retention.BATCH)
        async with asyncio.timeout(30):
            await get_object(Retention).purge()
        assert await sizes(scratch) == {**ONE_USER, "api_keys": len(locked.all())}


async def test_purge_takes_registrations_that_were_not_confirmed(scratch: AsyncEngine) -> None:
    users = """INSERT INTO users (id, email, password_hash, email_verified_at, is_active, created_at) VALUES
    (gen_random_uuid(), 'old', '', NULL, true, now() - interval '31 days'),
    (gen_random_uuid(), 'new', '', NULL, true, now()),
    (gen_random_uuid(), 'confirmed', '', now(), true, now() - interval '31 days'),
    (gen_random_uuid(), 'disabled', '', NULL, false, now() - interval '31 days')"""
    async with scratch.begin() as connection:
        await connection.execute(text(users))

    assert (await get_object(Retention).purge())["users"] == 1
    async with scratch.connect() as connection:
        left = await connection.scalars(text("SELECT email FROM users WHERE password_hash = '' ORDER BY email"))
        assert left.all() == ["confirmed", "disabled", "new"]
