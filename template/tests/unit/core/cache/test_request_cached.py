"""`@request_cached`: once per request, and never beyond it."""

import asyncio
import uuid

import pytest
from fastapi import BackgroundTasks, FastAPI
from httpx import ASGITransport, AsyncClient

from app.api.middleware import install_middleware
from app.core.cache import RequestCache, request_cached
from tests.factories import make_settings

pytestmark = pytest.mark.anyio


class Source:
    """Hands out a new object with every call, and counts."""

    def __init__(self) -> None:
        self.calls = 0
        self.error: Exception | None = None

    @request_cached(lambda _, key: key)
    async def read(self, key: str) -> list[str] | None:
        self.calls += 1
        await asyncio.sleep(0.001)
        if self.error:
            raise self.error
        return [key] if key else None

    @request_cached(lambda _, key: key)
    async def token(self, key: str) -> str:
        """Return a value that no other request may see."""
        self.calls += 1
        await asyncio.sleep(0.001)
        return key + uuid.uuid4().hex


@pytest.fixture
def source() -> Source:
    return Source()


async def test_request_cached_runs_once_for_each_key_of_a_request_and_function(source: Source) -> None:
    for _ in range(2):
        with RequestCache():
            first = await source.read("a")
            assert await source.read("a") is first
            assert [await source.token("a")] != first
            assert await source.read("b") == ["b"]
            assert [await source.read(""), await source.read("")] == [None, None]
    assert source.calls == 8
    assert await source.read("a") is not await source.read("a"), "there is no request"


async def test_request_cached_keeps_nothing_for_a_task_that_outlives_its_request(source: Source) -> None:
    ended = asyncio.Event()

    async def linger() -> None:
        for _ in range(2):
            await source.read("a")
            await ended.wait()
        await source.read("a")

    with RequestCache():
        await source.read("a")
        task = asyncio.create_task(linger())
        await asyncio.sleep(0)
        assert source.calls == 1, "tasks of the request share its cache"
    ended.set()
    await task
    assert source.calls == 3


async def test_request_cached_keeps_no_errors(source: Source) -> None:
    with RequestCache():
        source.error = ValueError("not yet")
        answers = await asyncio.gather(*(source.read("a") for _ in range(10)), return_exceptions=True)
        assert {type(answer) for answer in answers} == {ValueError}
        source.error = None
        assert await source.read("a") == ["a"]
    assert source.calls == 2


async def test_request_cached_never_shows_one_of_200_requests_the_cache_of_another(source: Source) -> None:
    app = FastAPI()
    install_middleware(app, make_settings())

    @app.get("/tokens")
    async def tokens(tasks: BackgroundTasks) -> list[str]:
        tasks.add_task(source.token, "a")
        return [*await asyncio.gather(*(source.token("a") for _ in range(3))), await source.token("a")]

    async with AsyncClient(transport=ASGITransport(app), base_url="http://test") as client:
        answers = await asyncio.gather(*(client.get("/tokens") for _ in range(200)))

    seen = [set(answer.json()) for answer in answers]
    assert all(len(tokens) == 1 for tokens in seen), "one request, one run"
    assert len(set.union(*seen)) == source.calls == 200, "no token is in two requests"
