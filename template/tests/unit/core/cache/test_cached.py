"""`@cached` and `make_key()`: keys from arguments."""

from datetime import date
from decimal import Decimal
from enum import Enum
from typing import Any
from uuid import UUID

import pytest

from app.core import cache
from app.core.cache import cached, make_key
from app.core.exceptions import CacheException
from tests.unit.core.cache.conftest import OpenCache
from tests.unit.core.cache.stores import UnsteadyBackend

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("open_cache")]


async def test_a_cached_function_runs_once_for_the_same_key() -> None:
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

    await cache.delete(make_key("card", 1, "en"))
    await card(object(), 1)
    await card(object(), 2)
    assert calls[3:] == [(1, "en")]


async def test_a_cached_method_shares_its_results_unless_its_key_tells_instances_apart() -> None:
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


async def test_a_cached_function_keeps_none_and_no_errors_for_its_ttl(open_cache: OpenCache) -> None:
    backend = UnsteadyBackend()
    await open_cache(backend, default_ttl=50)
    calls: list[int] = []

    @cached(7, "unsteady")
    async def unsteady() -> None:
        calls.append(1)
        if len(calls) == 1:
            raise ValueError("not yet")

    @cached(None, "price", model=Decimal)
    async def price() -> Decimal:
        return Decimal("1.10")

    with pytest.raises(ValueError, match="not yet"):
        await unsteady()
    for _ in range(3):
        await unsteady()
        assert str(await price()) == "1.10"
    assert len(calls) == 2
    assert [ttl for _, ttl in backend.kept.values()] == [7, 50]


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

    assert make_key("pair", *one) != make_key("pair", *other)
    for arguments in (one, other, one):
        assert await pair(*arguments) == [repr(part) for part in arguments]


@pytest.mark.parametrize(
    "hostile", ["", "\x00\r\n", "\ud800", "{0}{a.__class__}", "x" * 10_000, "🔑" * 600, "../*?[a]"]
)
async def test_make_key_makes_the_key_of_a_template_from_any_text(hostile: str) -> None:
    @cached(60, "search:{text}")
    async def search(text: str) -> int:
        return len(text)

    assert await search(hostile) == len(hostile)
    assert await cache.get(make_key("search", hostile)) == len(hostile)


async def test_make_key_is_stable() -> None:
    # What a running release has stored must be found by the next one.
    class Language(Enum):
        GERMAN = "de"

    assert make_key("a", Language.GERMAN) == make_key("a", "de")
    assert make_key("a b", 7, None, 1.5, date(2024, 2, 29), UUID(int=0)) == (
        "a%20b:!7:!None:!1.5:!2024-02-29:!00000000-0000-0000-0000-000000000000"
    )


@pytest.mark.parametrize(
    "template",
    ["a:{unknown}", "a:{first}{second}", "a:{first}-{second}", "a:{first.id}", "a:{first!r}", "a:{first:>9}", "a:{}"],
)
async def test_a_template_that_could_not_work_is_refused_where_it_is_written(template: str) -> None:
    async def function(first: int, second: int) -> int:
        return first + second

    with pytest.raises(ValueError, match="of a key template"):
        cached(60, template)(function)


async def test_cached_refuses_a_function_that_is_not_asynchronous() -> None:
    def function() -> int:
        return 1

    with pytest.raises(TypeError, match="async def"):
        cached(60, "a")(function)  # type: ignore[arg-type]


async def test_a_result_that_cannot_be_cached_is_a_type_error_first() -> None:
    async def a_set() -> set[int]:
        return {1}

    function = cached(60, "a")(a_set)  # type: ignore[type-var]
    with pytest.raises(CacheException, match="A set cannot be cached"):
        await function()
