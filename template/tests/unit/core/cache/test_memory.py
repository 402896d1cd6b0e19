"""`TTLCache`: bounds, time, order of eviction. `@request_cached`: once per request, and never beyond it."""

import asyncio
import uuid
from collections.abc import Iterator
from datetime import timedelta

import pytest
import time_machine
from fastapi import BackgroundTasks, FastAPI
from httpx import ASGITransport, AsyncClient

from app.api.middleware import install_middleware
from app.core.cache import RequestCache, TTLCache, request_cached
from tests.factories import make_settings


@pytest.fixture
def clock() -> Iterator[time_machine.Traveller]:
    """A clock that stands still until a test shifts it."""
    with time_machine.travel("2030-01-01T00:00:00Z", tick=False) as moved:
        yield moved


def kept(cache: TTLCache[str, int], keys: str) -> str:
    return "".join(key for key in keys if cache.get(key) is not None)


@pytest.mark.parametrize(("usual", "longer"), [(5, 7), (timedelta(seconds=5), timedelta(seconds=7))])
def test_ttl_cache_keeps_a_value_until_its_time_is_over(
    usual: float | timedelta, longer: float | timedelta, clock: time_machine.Traveller
) -> None:
    cache: TTLCache[str, int] = TTLCache(max_entries=10, ttl=usual)
    cache.set("usual", 1)
    cache.set("longer", 2, ttl=longer)

    clock.shift(4.999)
    assert (cache.get("usual"), cache.get("longer")) == (1, 2)
    clock.shift(0.001)
    assert (cache.get("usual"), cache.get("usual", -1), cache.get("longer")) == (None, -1, 2)
    clock.shift(2)
    assert cache.get("longer") is None


def test_ttl_cache_makes_room_by_the_least_recently_used() -> None:
    cache: TTLCache[str, int] = TTLCache(max_entries=3, ttl=100)
    for key in "abc":
        cache.set(key, 0)
    cache.get("a")
    cache.set("b", 1)
    cache.set("d", 0)

    assert kept(cache, "abcd") == "abd"
    assert (cache.delete("a"), cache.delete("a")) == (True, False)
    cache.clear()
    assert kept(cache, "abcd") == ""


def test_ttl_cache_cleanup_expired_frees_and_counts(clock: time_machine.Traveller) -> None:
    cache: TTLCache[str, int] = TTLCache(max_entries=100, ttl=10)
    for ttl, key in enumerate("abcdef", start=1):
        cache.set(key, 0, ttl=ttl)
    cache.delete("a")
    clock.shift(3.5)

    assert (cache.cleanup_expired(), cache.cleanup_expired()) == (2, 0)
    assert kept(cache, "abcdef") == "def"


class Source:
    """Hands out a new object with every call, and counts."""

    def __init__(self) -> None:
        self.calls = 0

    @request_cached(lambda _, key: key)
    async def read(self, key: str) -> list[str] | None:
        self.calls += 1
        await asyncio.sleep(0.001)
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


@pytest.mark.anyio
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


@pytest.mark.anyio
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


@pytest.mark.anyio
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
