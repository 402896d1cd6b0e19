"""The calls on the cache, `@cached` and `make_key()`: what comes out, for how long, and who loads what is missing."""

import asyncio
import math
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, date, datetime
from decimal import Decimal
from functools import partial
from typing import Any
from uuid import UUID

import pytest
from pydantic import BaseModel, Field, SecretStr

from app.core import cache
from app.core.cache import cached, make_cache, make_key
from app.core.config.process import CacheSettings
from app.core.exceptions import CacheException, ResourceNotFoundError
from app.core.process import open_process
from tests.caches import UnsteadyBackend, caching

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("backend")]


class Profile(BaseModel):
    id: UUID
    seen_at: datetime
    balance: Decimal = Field(alias="Balance")


class Credentials(BaseModel):
    password: SecretStr


PROFILE = Profile(id=UUID(int=7), seen_at=datetime(2024, 2, 29, 12, tzinfo=UTC), Balance=Decimal("1.10"))


@pytest.fixture
async def backend() -> AsyncIterator[UnsteadyBackend]:
    backend = UnsteadyBackend()
    async with caching(backend):
        yield backend


def returning(value: Any) -> Callable[[], Awaitable[Any]]:
    async def load() -> Any:
        return value

    return load


@pytest.mark.parametrize(
    "value",
    [None, True, 0, -(2**70), 0.1, 1e300, "", "ünï \x00 🔑 \u2028", [], {"a": [1, 1.0, True, None], "": ""}],
    ids=repr,
)
async def test_get_returns_plain_json_as_it_was_set(value: Any) -> None:
    await cache.set("a", value)
    loaded = [await cache.get_or_set("b", returning(each)) for each in (value, "loaded again")]
    for back in (await cache.get("a"), *loaded):
        assert repr(back) == repr(value), "1 and 1.0 and True are not the same"


@pytest.mark.parametrize("value", [PROFILE, PROFILE.id, PROFILE.seen_at, date(2024, 2, 29), PROFILE.balance])
async def test_get_with_a_model_returns_what_was_set(value: Any) -> None:
    model = type(value)
    await cache.set("a", value)
    back = await cache.get("a", model=model)
    assert (back, type(back)) == (value, model)

    for _ in range(2):
        assert await cache.get_or_set("b", returning([value]), model=list[model]) == [value]  # type: ignore[valid-type]


@pytest.mark.parametrize("alien", [b'{"id": "of another release"}', b"\x80\x04K\x01.", b"", b"[" * 500_000])
async def test_get_of_what_does_not_fit_is_a_miss(alien: bytes, backend: UnsteadyBackend) -> None:
    await backend.set("tests:1:a", alien, ttl=60)

    assert await cache.get("a", model=Profile) is None
    assert await cache.get_or_set("a", returning(PROFILE), model=Profile) == PROFILE
    assert await cache.get("a", model=Profile) == PROFILE


async def test_get_returns_copies() -> None:
    got = await asyncio.gather(*(cache.get_or_set("a", returning({"list": [1]})) for _ in range(3)))
    for value in got:
        value["list"].append(2)
    assert [value["list"] for value in got] == [[1, 2]] * 3
    assert await cache.get("a") == {"list": [1]}


@pytest.mark.parametrize(
    "value",
    [{"p4ssphrase"}, ("p4ssphrase",), {424242: "x"}, math.nan, 10**5000, Credentials(password=SecretStr("p4ssphrase"))],
    ids=lambda value: type(value).__name__,
)
async def test_set_refuses_what_would_not_come_back_without_showing_it(value: Any) -> None:
    for attempt in (lambda: cache.set("a", value), lambda: cache.get_or_set("a", returning(value))):
        with pytest.raises(CacheException, match=type(value).__name__) as caught:
            await attempt()
        seen = f"{caught.value.to_dict()} {caught.value.__cause__!r} {caught.value.__context__!r}"
        assert not any(secret in seen.lower() for secret in ("p4ssphrase", "424242", "nan"))
    assert await cache.get("a") is None


async def test_set_shortens_a_ttl_at_random_and_keeps_nothing_for_none_at_all(backend: UnsteadyBackend) -> None:
    async with caching(backend, ttl_jitter=0.25, default_ttl=100):
        for number in range(300):
            await cache.set("a", 1, ttl=None if number % 2 else 100)
    assert 75 <= min(backend.ttls) < 80
    assert 95 < max(backend.ttls) <= 100
    await cache.set("a", 1, ttl=0)
    assert await cache.get("a") is None


async def test_delete_delete_many_and_clear() -> None:
    for key in "abcd":
        await cache.set(key, key)
    await cache.delete("a")
    await cache.delete_many("bc")
    assert [await cache.get(key) for key in "abcd"] == [None, None, None, "d"]
    await cache.clear()
    assert await cache.get("d") is None


async def test_without_its_backend_every_call_works_and_nothing_is_kept(backend: UnsteadyBackend) -> None:
    await cache.set("a", 1)
    backend.away = True

    assert await cache.get("a") is None
    await cache.set("a", 2)
    await cache.delete("a")
    await cache.clear()
    assert await cache.get_or_set("a", returning("loaded")) == "loaded"

    backend.away = False
    assert await cache.get("a") == 1


async def test_make_cache_is_bounded_and_named_by_the_settings() -> None:
    settings = CacheSettings(max_entries=1, default_ttl_seconds=77)
    made = make_cache(settings, application_name="shop")
    async with open_process() as process:
        process.add(made)
        for key in "ab":
            await cache.set(key, key)
        assert [await cache.get(key) for key in "ab"] == [None, "b"]
    assert (made.namespace, made.default_ttl) == ("shop:", 77)
    assert make_cache(CacheSettings(key_prefix="other"), application_name="shop").namespace == "other:"


async def test_cached_runs_a_function_once_for_the_same_arguments_for_its_ttl(backend: UnsteadyBackend) -> None:
    calls: list[tuple[object, ...]] = []

    @cached(7, lambda _, sku, *, currency="usd": make_key("price", sku, currency), model=Decimal)
    async def price(session: object, sku: int, *, currency: str = "usd") -> Decimal:
        calls.append((sku, currency))
        return Decimal("1.10") * sku

    for _ in range(2):
        assert str(await price(object(), 2)) == "2.20"
    await price(object(), sku=2, currency="usd")
    assert calls == [(2, "usd")], "however the arguments are passed, they are the same"

    await price(object(), 3)
    await price(object(), 2, currency="eur")
    await cache.delete(make_key("price", 2, "usd"))
    for sku in (2, 3):
        await price(object(), sku)
    assert calls == [(2, "usd"), (3, "usd"), (2, "eur"), (2, "usd")]
    assert backend.ttls == [7] * 4


# Each pair would be one key if values were put together as they are.
@pytest.mark.parametrize(
    ("one", "other"),
    [
        (("a:b", "c"), ("a", "b:c")),
        ((None, ""), ("!None", "")),
        ((True, ""), (1, "")),
        ((1, ""), ("1", "")),
        (("é", ""), ("e\u0301", "")),
        (("\ud800", ""), ("\udfff", "")),
        (("x" * 600, "a"), ("x" * 600, "b")),
    ],
)
async def test_cached_has_different_keys_for_different_arguments(one: tuple[Any, Any], other: tuple[Any, Any]) -> None:
    @cached(60, partial(make_key, "pair"))
    async def pair(first: Any, second: Any) -> list[str]:
        return [repr(first), repr(second)]

    assert make_key("pair", *one) != make_key("pair", *other)
    for arguments in (one, other, one):
        assert await pair(*arguments) == [repr(part) for part in arguments]


async def test_make_key_is_stable_and_short() -> None:
    # The next release finds the values that a running one has stored.
    assert make_key("a b", 7, None, 1.5, date(2024, 2, 29), UUID(int=0)) == (
        "'a b':7:None:1.5:datetime.date(2024, 2, 29):UUID('00000000-0000-0000-0000-000000000000')"
    )
    assert len(make_key("\x00\r\n{0}" * 10_000)) <= 512


class Loader:
    """Counts, waits until it may go on, and then answers or raises."""

    def __init__(self, *, name: str = "load", error: Exception | None = None) -> None:
        self.name = name
        self.calls = 0
        self.error = error
        self.gate = asyncio.Event()

    async def __call__(self) -> str:
        self.calls += 1
        number = self.calls
        await self.gate.wait()
        if self.error:
            raise self.error
        return f"{self.name} {number}"


async def ask(loader: Loader, number: int = 1, key: str = "a") -> list[asyncio.Task[str]]:
    """Callers who wait for it now."""
    callers = [asyncio.create_task(cache.get_or_set(key, loader)) for _ in range(number)]
    for _ in range(20):
        await asyncio.sleep(0)
    return callers


async def test_get_or_set_loads_once_for_a_thousand_misses_and_for_each_key() -> None:
    loader, other = Loader(), Loader(name="other")
    callers, others = await ask(loader, 1000), await ask(other, key="b")
    other.gate.set()
    assert await others[0] == "other 1", "keys do not wait for each other"
    loader.gate.set()

    assert {*await asyncio.gather(*callers), await cache.get_or_set("a", loader)} == {"load 1"}
    assert loader.calls == 1


async def test_get_or_set_gives_a_loader_s_error_to_all_and_does_not_keep_it() -> None:
    failing = Loader(error=ResourceNotFoundError("Item", 7))
    callers = await ask(failing, 100)
    failing.gate.set()

    assert set(await asyncio.gather(*callers, return_exceptions=True)) == {failing.error}
    assert failing.calls == 1
    failing.error = None
    assert await cache.get_or_set("a", failing) == "load 2"


@pytest.mark.parametrize(("cancelled", "loads"), [(0, 2), (1, 1)])
async def test_get_or_set_whose_caller_is_cancelled_takes_no_other_along(cancelled: int, loads: int) -> None:
    """The loader of the next in line runs for the first: that one's session is closed by now."""
    loader = Loader()
    callers = await ask(loader, 50)
    gone = callers.pop(cancelled)
    gone.cancel()
    callers += await ask(loader)
    loader.gate.set()

    assert set(await asyncio.gather(*callers)) == {f"load {loads}"}
    assert (loader.calls, gone.cancelled()) == (loads, True)
    assert await cache.get("a") == f"load {loads}"


@pytest.mark.parametrize("change", ["delete", "clear", "set"])
async def test_get_or_set_does_not_undo_a_change_that_came_after_it_began(change: str) -> None:
    old, new = Loader(), Loader(name="new")
    (early,) = await ask(old)
    if change == "set":
        await cache.set("a", "new 1")
    else:
        await (cache.delete("a") if change == "delete" else cache.clear())
    late = await ask(new)
    old.gate.set()
    assert await early == "load 1", "it was asked for before the change"
    late += await ask(new)
    new.gate.set()

    assert {*await asyncio.gather(*late), await cache.get("a")} == {"new 1"}
