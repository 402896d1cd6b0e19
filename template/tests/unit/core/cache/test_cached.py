"""`@cached` and `make_key()`: keys from arguments."""

from collections.abc import AsyncIterator
from datetime import date
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest

from app.core import cache
from app.core.cache import cached, make_key
from app.core.exceptions import CacheException
from tests.caches import UnsteadyBackend, caching

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("backend")]


@pytest.fixture
async def backend() -> AsyncIterator[UnsteadyBackend]:
    backend = UnsteadyBackend()
    async with caching(backend, default_ttl=50):
        yield backend


async def test_cached_runs_a_function_once_for_the_same_arguments_until_they_are_deleted() -> None:
    calls: list[tuple[object, ...]] = []

    @cached(60, "card:{card_id}:{language}")
    async def card(session: object, card_id: int, *, language: str = "en") -> dict[str, Any]:
        """The card."""
        calls.append((card_id, language))
        return {"id": card_id, "language": language}

    assert await card(object(), 1) == {"id": 1, "language": "en"}
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


async def test_cached_keeps_results_of_a_model_for_its_ttl(backend: UnsteadyBackend) -> None:
    @cached(7, "price:{sku}", model=Decimal)
    async def price(sku: str) -> Decimal:
        return Decimal("1.10") * len(sku)

    @cached(None, "nothing")
    async def nothing() -> None:
        pass

    for _ in range(2):
        assert str(await price("ab")) == "2.20"
        await nothing()
    assert backend.ttls == [7, 50]


# Each pair would be one key if values were put into the template as they are.
@pytest.mark.parametrize(
    ("one", "other"),
    [
        (("a:b", "c"), ("a", "b:c")),
        ((None, ""), ("None", "")),
        ((None, ""), ("!None", "")),
        ((True, ""), (1, "")),
        ((1, ""), ("1", "")),
        (("%3A", ""), (":", "")),
        (("é", ""), ("e\u0301", "")),
        ((UUID(int=1), ""), (str(UUID(int=1)), "")),
        (("\ud800", ""), ("\udfff", "")),
        (("x" * 600, "a"), ("x" * 600, "b")),
    ],
)
async def test_cached_has_different_keys_for_different_arguments(one: tuple[Any, Any], other: tuple[Any, Any]) -> None:
    @cached(60, "pair:{first}:{second}")
    async def pair(first: Any, second: Any) -> list[str]:
        return [repr(first), repr(second)]

    assert make_key("pair", *one) != make_key("pair", *other)
    for arguments in (one, other, one):
        assert await pair(*arguments) == [repr(part) for part in arguments]


async def test_make_key_is_stable_and_short() -> None:
    """The next release finds the values that a running one has stored."""
    assert make_key("a b", 7, None, 1.5, date(2024, 2, 29), UUID(int=0)) == (
        "a%20b:!7:!None:!1.5:!2024-02-29:!00000000-0000-0000-0000-000000000000"
    )
    assert len(make_key("\x00\r\n{0}" * 10_000)) <= 512
    with pytest.raises(CacheException, match="object cannot be part of a cache key"):
        make_key(object())  # type: ignore[arg-type]


@pytest.mark.parametrize("template", ["a:{unknown}", "a:{first}{second}", "{first}-{second}", "a:{first.id}", "a:{}"])
async def test_cached_refuses_a_key_that_could_not_work_where_it_is_written(template: str) -> None:
    async def function(first: int, second: int) -> int:
        return first + second

    with pytest.raises(ValueError, match="of a cache key"):
        cached(60, template)(function)
