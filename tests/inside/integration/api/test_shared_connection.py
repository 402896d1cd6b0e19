"""Sessions in a test's rolled back transaction: any number at a time, as if each had a connection of its own."""

import asyncio
from collections.abc import AsyncIterator
from typing import ClassVar

import pytest
from fastapi import APIRouter, FastAPI
from httpx import AsyncClient
from sqlalchemy import text

from app.api.dependencies import UnitOfWork
from app.core.database import Statement, get_async_session, get_database
from app.core.events import BaseEvent, get_event_bus
from app.core.exceptions import DatabaseQueryError, UncommittedChangesError
from app.core.uow import unit_of_work
from tests.buses import until_settled

pytestmark = pytest.mark.anyio

INSERT = Statement(text("INSERT INTO users (id, email, password_hash) VALUES (gen_random_uuid(), :email, '')"))
COUNT = Statement(text("SELECT count(*) FROM users WHERE email LIKE '%@shared.example'"), int)

router = APIRouter()


class Arrived(BaseEvent):
    type: ClassVar[str] = "arrived"
    name: str


@router.post("/arrivals/{name}")
async def arrive(name: str, uow: UnitOfWork) -> list[int]:
    await uow.session.execute(INSERT, email=f"{name}@shared.example")
    uow.record(Arrived(name=name))
    found = await asyncio.gather(*(count() for _ in range(3)))
    async with unit_of_work() as inner:
        statement = text("INSERT INTO users (id, email, password_hash) VALUES (gen_random_uuid(), :email, '')")
        await (await inner.session.orm()).execute(statement, {"email": f"{name}-too@shared.example"})
    await asyncio.sleep(0.001)
    await uow.session.execute(INSERT, email=f"{name}-late@shared.example")
    if name.startswith("refused"):
        raise RuntimeError
    return found


async def count() -> int:
    return await get_database().reader.one(COUNT)


@pytest.fixture
async def arrivals(app: FastAPI, client: AsyncClient) -> AsyncIterator[AsyncClient]:
    before = list(app.router.routes)
    app.router.routes.extend(router.routes)
    yield client
    app.router.routes[:] = before


async def test_a_subscriber_reads_and_writes_while_requests_do(arrivals: AsyncClient) -> None:
    seen: list[int] = []

    async def listen(event: Arrived) -> None:
        seen.append(await count())
        async with unit_of_work() as uow:
            await uow.session.execute(INSERT, email=f"{event.name}-heard@shared.example")

    get_event_bus().subscribe(Arrived, listen)
    for number in range(8):
        # Two at a time, with sessions inside of sessions: more would wait for places in the pool, as anywhere.
        names = (f"guest-{number}", f"refused-{number}")
        await asyncio.gather(*(arrivals.post(f"/arrivals/{name}") for name in names), return_exceptions=True)
    await until_settled(get_event_bus())
    get_event_bus().unsubscribe(Arrived, listen)

    assert len(seen) == 8
    # Three rows of each guest and one of its subscriber; what the refused had inside is gone with them, here alone.
    assert await count() == 32


async def test_a_read_that_fails_or_changes_something_spoils_nothing(client: AsyncClient) -> None:
    async with unit_of_work() as uow:
        await uow.session.execute(INSERT, email="a@shared.example")
        for wrong in ("SELECT 1 / 0", "SELECT nonsense", "DELETE FROM users"):
            with pytest.raises(DatabaseQueryError):
                await get_database().reader.all(Statement(text(wrong), int))
            assert await count() == 1

    assert await count() == 1
    assert (await client.get("/api/v1/users/me")).status_code == 200


async def test_a_write_session_that_commits_nothing_is_an_error_here_too(client: AsyncClient) -> None:
    async with unit_of_work() as uow:
        await uow.session.execute(INSERT, email="a@shared.example")
    async with get_async_session() as session:
        await session.one(COUNT)
    with pytest.raises(UncommittedChangesError):
        async with get_async_session() as session:
            await session.execute(INSERT, email="b@shared.example")

    assert await count() == 1
