"""A commit that fails is an error answer: the unit of work ends before the answer begins."""

import anyio.to_thread
import pytest
from httpx import AsyncClient
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from tests.databases import DatabaseServer

pytestmark = pytest.mark.anyio

ITEMS = "/api/v1/items"
ITEM = {"sku": "CHAIR-042", "name": "Chair"}


async def at_commit(engine: AsyncEngine, statement: str) -> None:
    """Have the server run a statement whenever a transaction that inserted an item commits."""
    async with engine.begin() as connection:
        await connection.execute(
            text(
                "CREATE FUNCTION at_commit() RETURNS trigger LANGUAGE plpgsql AS "
                f"$$ BEGIN {statement}; RETURN NULL; END $$"
            )
        )
        await connection.execute(
            text(
                "CREATE CONSTRAINT TRIGGER at_commit AFTER INSERT ON items DEFERRABLE INITIALLY DEFERRED "
                "FOR EACH ROW EXECUTE FUNCTION at_commit()"
            )
        )


async def test_a_deferred_constraint_that_fails_at_commit_answers_500(
    scratch: AsyncEngine, scratch_client: AsyncClient
) -> None:
    await at_commit(scratch, "RAISE 'at most one chair' USING ERRCODE = 'check_violation'")

    answer = await scratch_client.post(ITEMS, json=ITEM)

    assert answer.status_code == 500
    assert answer.headers["Content-Type"] == "application/problem+json"
    problem = answer.json()
    assert problem["error_code"] == "INTERNAL_ERROR"
    assert problem["request_id"] == answer.headers["X-Request-ID"]
    assert "chair" not in answer.text
    assert (await scratch_client.get(ITEMS)).json()["items"] == []


async def test_a_connection_that_is_lost_at_commit_answers_503_and_is_replaced(
    scratch: AsyncEngine, scratch_client: AsyncClient
) -> None:
    await at_commit(scratch, "PERFORM pg_terminate_backend(pg_backend_pid())")

    answer = await scratch_client.post(ITEMS, json=ITEM)

    assert answer.status_code == 503
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert answer.headers["Retry-After"] == "1"
    assert answer.json()["error_code"] == "DATABASE_UNAVAILABLE"
    after = await scratch_client.get(ITEMS)
    assert after.status_code == 200
    assert after.json()["items"] == []


async def test_connections_closed_while_idle_are_replaced_unnoticed(
    server: DatabaseServer, scratch: AsyncEngine, scratch_client: AsyncClient
) -> None:
    assert (await scratch_client.get(ITEMS)).status_code == 200

    await anyio.to_thread.run_sync(server.disconnect, str(scratch.url.database))

    assert (await scratch_client.get(ITEMS)).status_code == 200
