"""Requests and their caches, through all of the middleware."""

import asyncio
import uuid
from collections.abc import AsyncIterator

import pytest
from fastapi import BackgroundTasks, FastAPI
from httpx import ASGITransport, AsyncClient

from app.api.middleware import install_middleware
from app.core.cache import request_cached
from tests.factories import make_settings

pytestmark = pytest.mark.anyio

runs: list[str] = []


@request_cached(lambda name: name)
async def token_of_this_request(name: str) -> str:
    """Return a value that no other request may see."""
    runs.append(name)
    await asyncio.sleep(0.001)
    return uuid.uuid4().hex


@pytest.fixture
async def caller() -> AsyncIterator[AsyncClient]:
    app = FastAPI()
    install_middleware(app, make_settings())

    @app.get("/tokens")
    async def tokens(tasks: BackgroundTasks) -> list[str]:
        async with asyncio.TaskGroup() as group:
            concurrent = [group.create_task(token_of_this_request("a")) for _ in range(3)]
        tasks.add_task(token_of_this_request, "a")
        return [*(task.result() for task in concurrent), await token_of_this_request("a")]

    runs.clear()
    async with AsyncClient(transport=ASGITransport(app), base_url="http://test") as client:
        yield client


async def test_200_requests_at_the_same_time_never_see_each_others_cache(caller: AsyncClient) -> None:
    answers = await asyncio.gather(*(caller.get("/tokens") for _ in range(200)))

    seen = [set(answer.json()) for answer in answers]
    assert all(len(tokens) == 1 for tokens in seen), "one request, one run"
    assert len(set.union(*seen)) == 200, "no token is in two requests"
    assert len(runs) == 200
