"""`@request_cached`: once per request, and never beyond it."""

import asyncio
from contextvars import copy_context

import pytest

from app.core.cache import RequestCache, request_cached

pytestmark = pytest.mark.anyio


class Source:
    """Hands out a new object with every call, and counts."""

    def __init__(self) -> None:
        self.calls = 0
        self.error: Exception | None = None

    @request_cached(lambda _, key: key)
    async def read(self, key: str) -> list[str]:
        self.calls += 1
        await asyncio.sleep(0.001)
        if self.error:
            raise self.error
        return [key]


async def test_in_a_request_it_runs_once_for_each_key() -> None:
    source = Source()
    with RequestCache():
        first = await source.read("a")
        assert await source.read("a") is first
        assert await source.read("b") == ["b"]
    assert source.calls == 2


async def test_calls_at_the_same_time_run_it_once() -> None:
    source = Source()
    with RequestCache():
        answers = await asyncio.gather(*(source.read("a") for _ in range(100)))
    assert source.calls == 1
    assert all(answer is answers[0] for answer in answers)


async def test_outside_of_a_request_nothing_is_kept() -> None:
    source = Source()
    await asyncio.gather(source.read("a"), source.read("a"))
    await source.read("a")
    assert source.calls == 3


async def test_a_request_begins_with_nothing_even_in_the_same_task() -> None:
    source = Source()
    for _ in range(3):
        with RequestCache():
            await source.read("a")
            await source.read("a")
    assert source.calls == 3
    assert RequestCache.current() is None


async def test_a_request_inside_of_another_has_its_own() -> None:
    source = Source()
    with RequestCache():
        await source.read("a")
        with RequestCache():
            await source.read("a")
        await source.read("a")
    assert source.calls == 2


async def test_a_request_that_fails_leaves_nothing_behind() -> None:
    source = Source()

    async def request() -> None:
        with RequestCache():
            await source.read("a")
            raise ValueError("broken")

    with pytest.raises(ValueError, match="broken"):
        await request()
    await source.read("a")
    assert source.calls == 2


async def test_a_task_that_outlives_its_request_has_no_cache_any_more() -> None:
    source = Source()
    ended = asyncio.Event()

    async def linger() -> None:
        await source.read("a")
        await ended.wait()
        await source.read("a")
        await source.read("a")

    with RequestCache():
        await source.read("a")
        task = asyncio.create_task(linger())
        await asyncio.sleep(0.01)
        assert source.calls == 1, "tasks of the request share its cache"
    ended.set()
    await task
    assert source.calls == 3


async def test_a_call_under_way_when_its_request_ends_still_answers() -> None:
    source = Source()
    with RequestCache() as request:
        task = asyncio.create_task(source.read("a"))
        await asyncio.sleep(0)
    assert await task == ["a"]
    assert request._values is None


async def test_errors_are_not_kept() -> None:
    source = Source()
    with RequestCache():
        source.error = ValueError("not yet")
        answers = await asyncio.gather(*(source.read("a") for _ in range(10)), return_exceptions=True)
        assert {type(answer) for answer in answers} == {ValueError}
        assert source.calls == 1
        source.error = None
        assert await source.read("a") == ["a"]


async def test_a_caller_who_is_cancelled_does_not_take_the_others_along() -> None:
    source = Source()
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
        assert (await one("a"), await other("a")) == ("one a", "other a")
        assert (await one("a"), await other("a")) == ("one a", "other a")
        assert one.__name__ == "one"


async def test_none_is_kept_like_any_result() -> None:
    calls: list[int] = []

    @request_cached(lambda: None)
    async def nothing() -> None:
        calls.append(1)

    with RequestCache():
        await nothing()
        await nothing()
    assert len(calls) == 1


def test_a_context_of_its_own_has_no_cache_by_default() -> None:
    assert copy_context().run(RequestCache.current) is None


def test_a_function_that_does_not_wait_is_refused_where_it_is_decorated() -> None:
    def function() -> int:
        return 1

    with pytest.raises(TypeError, match="async def"):
        request_cached(lambda: 1)(function)  # type: ignore[arg-type]
