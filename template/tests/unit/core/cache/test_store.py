"""`Cache`: what goes in, what comes out, for how long, and what happens when the backend is away."""

import asyncio
import math
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from decimal import Decimal
from enum import IntEnum, StrEnum
from typing import Any, NamedTuple

import pytest
import time_machine

from app.core.cache import MISS, Cache, Json
from app.core.exceptions import CacheException
from tests.logs import captured_log
from tests.unit.core.cache.stores import UnsteadyBackend, make_cache, make_memory

pytestmark = pytest.mark.anyio


class Colour(StrEnum):
    RED = "p4ssphrase"


class Size(IntEnum):
    LARGE = 424242


class Point(NamedTuple):
    x: str


class Thing:
    def __repr__(self) -> str:
        return "p4ssphrase"


def nested(levels: int) -> list[object]:
    value: list[object] = []
    for _ in range(levels - 1):
        value = [value]
    return value


VALUES: list[Json] = [
    None,
    True,
    0,
    -(2**70),
    0.1,
    1e300,
    "",
    "ünï \x00 \ud800 🔑 \u2028",
    [],
    {},
    {"a": [1, 1.0, True, None, {"b": "c"}], "": ""},
]


@pytest.mark.parametrize("value", VALUES, ids=repr)
async def test_a_value_comes_back_as_it_was(value: Json) -> None:
    cache = make_cache()
    await cache.set("a", value)

    for back in (await cache.get("a", MISS), await cache.get_or_set("b", _returns(value)), await cache.get("b", MISS)):
        assert back == value
        assert repr(back) == repr(value), "1 and 1.0 and True are not the same"


async def test_a_cached_none_is_no_miss() -> None:
    cache = make_cache()
    loads: list[int] = []

    async def load() -> None:
        loads.append(1)

    assert await cache.get("a", MISS) is MISS
    assert await cache.get("a") is None
    await cache.get_or_set("a", load)
    await cache.get_or_set("a", load)

    assert await cache.get("a", MISS) is None
    assert len(loads) == 1


async def test_nobody_can_change_what_somebody_else_got() -> None:
    cache = make_cache()
    original = {"list": [1]}
    await cache.set("a", original)
    original["list"].append(2)
    first: Any = await cache.get("a")
    first["list"].append(3)
    assert await cache.get("a") == {"list": [1]}

    loaded = {"list": [1]}
    got = await asyncio.gather(*(cache.get_or_set("b", _returns(loaded)) for _ in range(3)))
    for value in got:
        value["list"].append(4)
    loaded["list"].append(5)
    assert [value["list"] for value in got] == [[1, 4]] * 3
    assert await cache.get("b") == {"list": [1]}


@pytest.mark.parametrize(
    ("value", "named"),
    [
        (Thing(), "Thing"),
        ([{"deep": Thing()}], "Thing"),
        (b"p4ssphrase", "bytes"),
        ({"p4ssphrase"}, "set"),
        (("p4ssphrase",), "tuple"),
        (Point("p4ssphrase"), "Point"),
        (Colour.RED, "Colour"),
        (Size.LARGE, "Size"),
        (datetime(1999, 12, 31, tzinfo=UTC), "datetime"),
        (Decimal("424242"), "Decimal"),
        ({424242: "p4ssphrase"}, "int"),
        ({None: "p4ssphrase"}, "NoneType"),
        (math.nan, "number"),
        ([-math.inf], "number"),
        (10**5000, "number"),
        (nested(102), "list nested"),
    ],
    ids=lambda value: type(value).__name__,
)
async def test_what_would_not_come_back_is_refused_without_being_shown(value: Any, named: str) -> None:
    cache = make_cache()
    for attempt in (lambda: cache.set("a", value), lambda: cache.get_or_set("a", _returns(value))):
        with pytest.raises(CacheException, match=named) as caught:
            await attempt()
        seen = str(caught.value.to_dict()) + repr(caught.value.__cause__)
        assert not any(secret in seen for secret in ("p4ssphrase", "424242", "1999", "nan"))
        assert caught.value.__cause__ is None
        assert caught.value.__context__ is None or caught.value.__suppress_context__
    assert await cache.get("a", MISS) is MISS


async def test_a_value_that_holds_itself_is_refused() -> None:
    endless: list[Any] = []
    endless.append(endless)

    with pytest.raises(CacheException, match="in itself"):
        await make_cache().set("a", endless)


async def test_the_deepest_value_that_is_kept_can_be_read_from_deep_down() -> None:
    cache = make_cache()
    await cache.set("a", nested(100))

    async def from_deep_down(levels: int) -> Json:
        return await (from_deep_down(levels - 1) if levels else cache.get("a"))

    assert await from_deep_down(400) == nested(100)


@pytest.mark.parametrize("key", ["", "x" * 513, "a\nb", "a\x00", "\x7f", "a\x85", "a\u2028b", "a\ud800", 7, None])
async def test_a_key_that_breaks_a_rule_is_refused_and_not_shown(key: Any) -> None:
    backend = UnsteadyBackend()
    cache = make_cache(backend)

    attempts: list[Callable[[], Awaitable[object]]] = [
        lambda: cache.get(key),
        lambda: cache.set(key, 1),
        lambda: cache.delete(key),
        lambda: cache.delete_many(["fine", key]),
        lambda: cache.get_or_set(key, _returns(1)),
    ]
    for attempt in attempts:
        with pytest.raises(CacheException, match="cache key") as caught:
            await attempt()
        assert not isinstance(key, str) or not key or key not in str(caught.value)
    assert (backend.kept, backend.reads) == ({}, 0)


async def test_the_longest_key_is_512_characters() -> None:
    cache = make_cache()
    await cache.set("x" * 512, 1)
    assert await cache.get("x" * 512) == 1


@pytest.mark.parametrize("ttl", [0, -1, math.nan, math.inf, 1e12])
async def test_a_time_that_is_none_is_refused_before_anything_is_loaded(ttl: float) -> None:
    cache = make_cache()
    with pytest.raises(CacheException, match="seconds"):
        await cache.set("a", 1, ttl=ttl)
    with pytest.raises(CacheException, match="seconds"):
        await cache.get_or_set("a", _fails(AssertionError("loaded")), ttl=ttl)


async def test_times_are_shortened_at_random_and_never_lengthened() -> None:
    backend = UnsteadyBackend()
    cache = make_cache(backend, ttl_jitter=0.25)
    for number in range(300):
        await cache.set(f"{number}", 1, ttl=100)

    ttls = [ttl for _, ttl in backend.kept.values()]
    assert 75 <= min(ttls) < 80
    assert 95 < max(ttls) <= 100
    assert len(set(ttls)) > 250


async def test_a_value_is_kept_for_its_own_time_else_for_the_default() -> None:
    backend = UnsteadyBackend()
    cache = make_cache(backend, default_ttl=50)
    await cache.set("a", 1)
    await cache.set("b", 1, ttl=7)
    await cache.get_or_set("c", _returns(1))
    await cache.get_or_set("d", _returns(1), ttl=8)

    assert [ttl for _, ttl in backend.kept.values()] == [50, 7, 50, 8]


async def test_set_obeys_a_clock_that_is_moved() -> None:
    cache = make_cache()
    with time_machine.travel("2030-01-01T00:00:00Z", tick=False) as clock:
        await cache.set("a", 1, ttl=3600)
        clock.shift(3599)
        assert await cache.get("a") == 1
        clock.shift(1)
        assert await cache.get("a") is None


async def test_a_value_over_the_limit_is_refused_by_set_and_only_passed_on_by_a_load() -> None:
    cache = make_cache(max_value_bytes=100)
    large = "p4ssphrase" * 10

    await cache.set("a", large[:98])
    with pytest.raises(CacheException, match=r"102 bytes .* limit is 100 \(CACHE_MAX_VALUE_BYTES\)") as caught:
        await cache.set("a", large)
    assert "p4ss" not in str(caught.value)
    with captured_log() as log:
        assert await cache.get_or_set("b", _returns(large)) == large
    assert await cache.get("b", MISS) is MISS
    assert [line["event"] for line in log.lines] == ["a value is too large to be cached"]
    assert "p4ss" not in log.text


async def test_namespaces_on_one_backend_do_not_see_each_other() -> None:
    backend = make_memory()
    old, new = make_cache(backend, namespace="app:1:"), make_cache(backend, namespace="app:2:")
    await old.set("a", "old")
    await new.set("a", "new")
    assert (await old.get("a"), await new.get("a")) == ("old", "new")

    await new.clear()
    assert (await old.get("a"), await new.get("a")) == ("old", None)


async def test_deleting() -> None:
    cache = make_cache()
    for key in "abcd":
        await cache.set(key, key)
    await cache.delete("a")
    await cache.delete_many(key for key in "bc")
    await cache.delete_many([])
    assert [await cache.get(key) for key in "abcd"] == [None, None, None, "d"]


async def test_what_somebody_else_wrote_under_a_key_is_a_miss() -> None:
    backend = make_memory()
    cache = make_cache(backend)
    for alien in (b"\x80\x04K\x01.", b"", b"{", b"\xff\xff"):
        await backend.set("tests:1:a", alien, ttl=60)
        assert await cache.get("a", MISS) is MISS
        assert await cache.get_or_set("a", _returns("loaded")) == "loaded"
        assert await cache.get("a") == "loaded"


async def test_without_its_backend_everything_works_and_nothing_is_kept() -> None:
    backend = UnsteadyBackend()
    cache = make_cache(backend)
    await cache.set("a", 1)
    backend.away = True

    with captured_log() as log:
        for _ in range(10):
            await _use_everything(cache)
        assert backend.failures > 50

        backend.away = False
        assert await cache.get("a") == 1, "it is back without a restart"
    assert [(line["event"], line.get("reason")) for line in log.lines] == [
        ("the cache is unavailable", "refused"),
        ("the cache is available again", None),
    ], "an outage is two lines of the log, however many requests it meets"


async def _use_everything(cache: Cache) -> None:
    assert await cache.get("a", MISS) is MISS
    await cache.set("a", 2)
    await cache.delete("a")
    await cache.delete_many(["a", "b"])
    await cache.clear()
    assert await cache.get_or_set("a", _returns("loaded")) == "loaded"


def _returns(value: Any) -> Any:
    async def load() -> Any:
        return value

    return load


def _fails(error: Exception) -> Any:
    async def load() -> Any:
        raise error

    return load
