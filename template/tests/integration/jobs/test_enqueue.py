"""`uow.enqueue()`: a job is there if and only if the changes are that it belongs to."""

from contextlib import suppress
from datetime import UTC, datetime, timedelta

import pytest
from fastapi import FastAPI
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from app.core.database import Statement
from app.core.exceptions import DatabaseIntegrityError
from app.core.logging import log_context
from app.core.uow import atomic, unit_of_work
from tests.jobs import Chore, rows

pytestmark = pytest.mark.anyio


@pytest.fixture(autouse=True)
def _committing(app: FastAPI, scratch: AsyncEngine) -> None:
    """Commits of these tests are commits."""


async def numbers() -> list[int]:
    return [Chore.from_payload(row.payload or b"").number for row in await rows()]


async def test_enqueue_writes_nothing_if_the_commit_fails(scratch: AsyncEngine) -> None:
    async with scratch.begin() as connection:
        await connection.execute(text("CREATE TABLE once (n int UNIQUE DEFERRABLE INITIALLY DEFERRED)"))
    twice = Statement(text("INSERT INTO once VALUES (1), (1)"))
    with suppress(DatabaseIntegrityError):
        async with unit_of_work() as uow:
            await uow.session.execute(twice)
            uow.enqueue(Chore())

    assert await numbers() == []


async def test_enqueue_is_a_part_of_the_unit_of_work_and_of_its_savepoints() -> None:
    async with unit_of_work() as uow:
        uow.enqueue(Chore(number=1))
        with suppress(ZeroDivisionError):
            async with atomic(uow.session) as inner:
                inner.enqueue(Chore(number=2))
                raise ZeroDivisionError
        async with atomic(uow.session) as inner:
            inner.enqueue(Chore(number=3))
        assert await numbers() == []
    with suppress(ZeroDivisionError):
        async with unit_of_work() as uow:
            uow.enqueue(Chore(number=4))
            raise ZeroDivisionError

    assert await numbers() == [1, 3]


async def test_enqueue_with_a_key_leaves_one_job_of_those_that_have_it() -> None:
    for number, key in enumerate(["a", "a", "b", None, None]):
        async with unit_of_work() as uow:
            uow.enqueue(Chore(number=number), key=key)
    async with unit_of_work() as uow:
        uow.enqueue(Chore(number=5), key="c")
        uow.enqueue(Chore(number=6), key="c")

    assert await numbers() == [0, 2, 3, 4, 5]


async def test_enqueue_says_when_a_job_may_run_and_what_it_goes_back_to() -> None:
    later = datetime.now(UTC) + timedelta(days=1)
    with log_context(request_id="request-1", trace_id="trace-1"):
        async with unit_of_work() as uow:
            uow.enqueue(Chore(), run_at=later)

    (row,) = await rows()
    assert (row.status, row.entrypoint, row.attempts, row.execute_after) == ("queued", "chore", 0, later)
    assert row.headers == {"request_id": "request-1", "trace_id": "trace-1"}
