"""`@request_cached`: once per request, and never beyond it."""

import asyncio

import pytest

from app.core.cache import RequestCache, request_cached

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


@pytest.fixture
def source() -> Source:
    return Source()


async def test_in_a_request_it_runs_once_for_each_key(source: Source) -> None:
    with RequestCache():
        first = await source.read("a")
        assert await source.read("a") is first
        assert await source.read("b") == ["b"]
        assert [await source.read(""), await source.read("")] == [None, None]
    assert source.calls == 3


async def test_each_request_has_its_own_in_the_same_task_and_inside_of_another(source: Source) -> None:
    for _ in range(2):
        with RequestCache():
            await source.read("a")
            with RequestCache():
                await source.read("a")
            await source.read("a")
    assert source.calls == 4


async def test_clear_begins_anew(source: Source) -> None:
    with RequestCache() as request:
        early = asyncio.create_task(source.read("a"))
        await asyncio.sleep(0)
        request.clear()
        late = await source.read("a")
        assert await early is not late
        assert await source.read("a") is late
    assert source.calls == 2


async def test_a_task_that_outlives_its_request_has_no_cache_any_more(source: Source) -> None:
    ended = asyncio.Event()

    async def linger() -> None:
        await source.read("a")
        await ended.wait()
        await source.read("a")
        await source.read("a")

    with RequestCache():
        await source.read("a")
        task = asyncio.create_task(linger())
        under_way = asyncio.create_task(source.read("b"))
        await asyncio.sleep(0)
        assert source.calls == 2, "tasks of the request share its cache"
    ended.set()
    await task
    assert source.calls == 4
    assert await under_way == ["b"]


async def test_errors_are_not_kept(source: Source) -> None:
    with RequestCache():
        source.error = ValueError("not yet")
        answers = await asyncio.gather(*(source.read("a") for _ in range(10)), return_exceptions=True)
        assert {type(answer) for answer in answers} == {ValueError}
        assert source.calls == 1
        source.error = None
        assert await source.read("a") == ["a"]


async def test_a_caller_who_is_cancelled_does_not_take_the_others_along(source: Source) -> None:
    with RequestCache():
        first, second = asyncio.create_task(source.read("a")), asyncio.create_task(source.read("a"))
        await asyncio.sleep(0)
        first.cancel()
        assert await second == ["a"]
    assert source.calls == 2


async def test_functions_with_the_same_key_do_not_meet() -> None:
    @request_cached(lambda key: key)
    async def one(key: str) -> str:
        return f"one {key}"

    @request_cached(lambda key: key)
    async def other(key: str) -> str:
        return f"other {key}"

    with RequestCache():
        for _ in range(2):
            assert (await one("a"), await other("a")) == ("one a", "other a")
    assert one.__name__ == "one"
