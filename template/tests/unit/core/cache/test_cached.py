"""`@cached`: keys from arguments, methods, invalidation. Its cache is that of the running application."""

import asyncio
from collections.abc import AsyncIterator
from datetime import date
from enum import Enum
from typing import Any
from uuid import UUID

import pytest
from fastapi import FastAPI

from app.core import cache
from app.core.cache import cached, make_key
from app.core.exceptions import CacheException
from app.core.exceptions import TimeoutError as ApplicationTimeoutError
from app.core.process import open_process
from tests.unit.core.cache.stores import UnsteadyBackend, make_cache

pytestmark = pytest.mark.anyio


@pytest.fixture(autouse=True)
async def _empty_cache(app: FastAPI) -> AsyncIterator[None]:
    yield
    await cache.clear()


async def test_a_call_with_the_same_key_does_not_run_the_function_again() -> None:
    calls: list[tuple[object, ...]] = []

    @cached(60, "card:{card_id}:{language}")
    async def card(session: object, card_id: int, *, language: str = "en") -> dict[str, Any]:
        """The card."""
        calls.append((card_id, language))
        return {"id": card_id, "language": language}

    assert await card(object(), 1) == {"id": 1, "language": "en"}
    await card(object(), 1)
    await card(object(), card_id=1, language="en")
    assert calls == [(1, "en")], "however the arguments are passed, they are the same"

    await card(object(), 2)
    await card(object(), 1, language="de")
    assert calls == [(1, "en"), (2, "en"), (1, "de")]
    assert card.__doc__ == "The card."


async def test_concurrent_calls_run_it_once() -> None:
    calls: list[int] = []

    @cached(60, "slow")
    async def slow() -> list[int]:
        calls.append(1)
        await asyncio.sleep(0.01)
        return calls

    answers = await asyncio.gather(*(slow() for _ in range(1000)))

    assert answers == [[1]] * 1000
    assert answers[0] is not answers[1]


async def test_invalidating_forgets_the_result_for_these_arguments_alone() -> None:
    calls: list[int] = []

    @cached(60, key=lambda number: f"number:{number}")
    async def count(number: int) -> int:
        calls.append(number)
        return len(calls)

    assert [await count(1), await count(2)] == [1, 2]
    await count.invalidate(1)
    assert [await count(1), await count(2)] == [3, 2]
    assert count.key(1) == "number:1"
    await cache.delete(count.key(2))
    assert await count(2) == 4


async def test_a_method_shares_its_results_unless_its_key_tells_instances_apart() -> None:
    class Prices:
        def __init__(self, factor: int) -> None:
            self.factor = factor

        @cached(60, "shared:{sku}")
        async def shared(self, sku: str) -> int:
            return self.factor * len(sku)

        @cached(60, key=lambda self, sku: make_key("own", self.factor, sku))
        async def own(self, sku: str) -> int:
            return self.factor * len(sku)

    single, double = Prices(1), Prices(2)
    assert [await single.shared("ab"), await double.shared("ab")] == [2, 2]
    assert [await single.own("ab"), await double.own("ab")] == [2, 4]

    await single.shared.invalidate("ab")
    assert await double.shared("ab") == 4
    await single.own.invalidate("ab")
    assert await cache.get(single.own.key("ab")) is None
    assert await cache.get(double.own.key("ab")) == 4
    assert Prices.shared.key(single, "ab") == single.shared.key("ab") == "shared:ab"


async def test_none_is_a_result() -> None:
    calls: list[int] = []

    @cached(60, "nothing")
    async def nothing() -> None:
        calls.append(1)

    await nothing()
    await nothing()
    assert len(calls) == 1


async def test_an_error_is_not_kept() -> None:
    calls: list[int] = []

    @cached(60, "unsteady")
    async def unsteady() -> str:
        calls.append(1)
        if len(calls) == 1:
            raise ValueError("not yet")
        return "now"

    with pytest.raises(ValueError, match="not yet"):
        await unsteady()
    assert await unsteady() == "now"


async def test_time_and_limit_are_those_of_the_decorator() -> None:
    backend = UnsteadyBackend()

    @cached(7, "own:{seconds}", load_timeout=0.05)
    async def own(seconds: float) -> float:
        await asyncio.sleep(seconds)
        return seconds

    @cached(None, "usual")
    async def usual() -> int:
        return 1

    async with open_process() as process:
        process.add(make_cache(backend, default_ttl=50))
        await own(0)
        await usual()
        assert [ttl for _, ttl in backend.kept.values()] == [7, 50]
        with pytest.raises(ApplicationTimeoutError):
            await own(5)


# Each pair would be one key if values were put into the template as they are.
@pytest.mark.parametrize(
    ("one", "other"),
    [
        (("a:b", "c"), ("a", "b:c")),
        ((None, ""), ("None", "")),
        ((None, ""), ("!None", "")),
        ((True, ""), (1, "")),
        ((1, ""), ("1", "")),
        (("", "a"), ("a", "")),
        (("%3A", ""), (":", "")),
        (("é", ""), ("e\u0301", "")),
        ((UUID(int=1), ""), (str(UUID(int=1)), "")),
        (("x" * 600, ""), ("x" * 601, "")),
        (("x" * 600, "a"), ("x" * 600, "b")),
    ],
)
async def test_different_arguments_have_different_keys(one: tuple[Any, Any], other: tuple[Any, Any]) -> None:
    @cached(60, "pair:{first}:{second}")
    async def pair(first: Any, second: Any) -> list[str]:
        return [repr(first), repr(second)]

    assert pair.key(*one) != pair.key(*other)
    assert make_key("pair", *one) != make_key("pair", *other)
    assert await pair(*one) == [repr(part) for part in one]
    assert await pair(*other) == [repr(part) for part in other]


@pytest.mark.parametrize(
    "hostile", ["", "\x00\r\n", "\ud800", "{0}{a.__class__}", "x" * 10_000, "🔑" * 600, "../*?[a]"]
)
async def test_any_text_of_a_caller_makes_a_valid_key(hostile: str) -> None:
    @cached(60, "search:{text}")
    async def search(text: str) -> int:
        return len(text)

    assert await search(hostile) == len(hostile)
    await cache.set(make_key("search", hostile), 1)
    assert await cache.get(make_key("search", hostile)) == 1


async def test_the_shape_of_a_key_is_stable() -> None:
    # What a running release has stored must be found by the next one.
    class Language(Enum):
        GERMAN = "de"

    assert make_key("a", Language.GERMAN) == make_key("a", "de")
    assert make_key("a b", 7, None, 1.5, date(2024, 2, 29), UUID(int=0)) == (
        "a%20b:!7:!None:!1.5:!2024-02-29:!00000000-0000-0000-0000-000000000000"
    )


async def test_what_identifies_nothing_is_no_part_of_a_key() -> None:
    @cached(60, "session:{session}")
    async def function(session: object) -> int:
        return 1

    with pytest.raises(CacheException, match="A object cannot be part of a cache key"):
        await function(object())


@pytest.mark.parametrize(
    ("template", "reason"),
    [
        ("a:{unknown}", "names unknown"),
        ("a:{first}{second}", "need a ':'"),
        ("a:{first}-{second}", "need a ':'"),
        ("a:{first.id}", "nothing else"),
        ("a:{first!r}", "nothing else"),
        ("a:{first:>9}", "nothing else"),
        ("a:{}", "nothing else"),
    ],
)
async def test_a_template_that_could_not_work_is_refused_where_it_is_written(template: str, reason: str) -> None:
    async def function(first: int, second: int) -> int:
        return first + second

    with pytest.raises(ValueError, match=reason):
        cached(60, template)(function)


async def test_a_function_that_does_not_wait_is_refused_where_it_is_decorated() -> None:
    def function() -> int:
        return 1

    with pytest.raises(TypeError, match="async def"):
        cached(60, "a")(function)  # type: ignore[arg-type]


async def test_what_cannot_be_cached_is_a_type_error_first() -> None:
    async def a_set() -> set[int]:
        return {1}

    function = cached(60, "a")(a_set)  # type: ignore[type-var]
    with pytest.raises(CacheException, match="A set cannot be cached"):
        await function()
