"""The calls on the cache: what goes in, what comes out, for how long, and what happens when the backend is away."""

import asyncio
import math
import subprocess
import sys
from collections.abc import Awaitable, Callable
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any, NamedTuple
from uuid import UUID

import pytest
import time_machine
from pydantic import BaseModel, Field, SecretStr

from app.core import cache
from app.core.cache import make_cache
from app.core.config import CacheSettings
from app.core.exceptions import CacheException, ConfigurationError
from app.core.process import open_process
from tests.applications import process_of_its_own
from tests.logs import captured_log
from tests.unit.core.cache.conftest import OpenCache
from tests.unit.core.cache.stores import UnsteadyBackend, make_memory

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("open_cache")]

MISS = object()


class Point(NamedTuple):
    x: str


class Thing:
    def __repr__(self) -> str:
        return "p4ssphrase"


class Profile(BaseModel):
    id: UUID
    seen_at: datetime
    balance: Decimal = Field(alias="Balance")


class Credentials(BaseModel):
    password: SecretStr


PROFILE = Profile(id=UUID(int=7), seen_at=datetime(2024, 2, 29, 12, tzinfo=UTC), Balance=Decimal("1.10"))


def returning(value: Any) -> Callable[[], Awaitable[Any]]:
    async def load() -> Any:
        return value

    return load


def nested(levels: int) -> list[object]:
    value: list[object] = []
    for _ in range(levels - 1):
        value = [value]
    return value


@pytest.mark.parametrize(
    "value",
    [None, True, 0, -(2**70), 0.1, 1e300, "", "ünï \x00 \ud800 🔑 \u2028", [], {"a": [1, 1.0, True, None], "": ""}],
    ids=repr,
)
async def test_get_returns_plain_json_as_it_was_set(value: Any) -> None:
    await cache.set("a", value)

    loaded = await cache.get_or_set("b", returning(value))
    for back in (await cache.get("a", MISS), loaded, await cache.get("b", MISS)):
        assert back == value
        assert repr(back) == repr(value), "1 and 1.0 and True are not the same"


@pytest.mark.parametrize(
    ("value", "model"),
    [
        (PROFILE.id, UUID),
        (PROFILE.seen_at, datetime),
        (date(2024, 2, 29), date),
        (PROFILE.balance, Decimal),
        (PROFILE, Profile),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
async def test_get_with_a_model_returns_what_was_set(value: Any, model: type[Any]) -> None:
    await cache.set("a", value)
    back = await cache.get("a", model=model)
    assert (back, type(back)) == (value, model)

    for _ in range(2):
        loaded = await cache.get_or_set("b", returning([value]), model=list[model])  # type: ignore[valid-type]
        assert loaded == [value]
        assert await cache.get("b", model=list[model]) == [value]  # type: ignore[valid-type]


async def test_get_with_a_model_that_the_value_does_not_fit_is_a_miss() -> None:
    await cache.set("a", {"id": "of another release"})

    assert await cache.get("a", model=Profile) is None
    assert await cache.get_or_set("a", returning(PROFILE), model=Profile) == PROFILE
    assert await cache.get("a", model=Profile) == PROFILE


async def test_get_or_set_keeps_none() -> None:
    assert await cache.get("a", MISS) is MISS
    await cache.get_or_set("a", returning(None))

    assert await cache.get_or_set("a", returning("loaded again")) is None
    assert await cache.get("a", MISS) is None


async def test_get_returns_copies() -> None:
    original = {"list": [1]}
    await cache.set("a", original)
    original["list"].append(2)
    first: Any = await cache.get("a")
    first["list"].append(3)
    assert await cache.get("a") == {"list": [1]}

    got = await asyncio.gather(*(cache.get_or_set("b", returning(original)) for _ in range(3)))
    for value in got:
        value["list"].append(4)
    assert [value["list"] for value in got] == [[1, 2, 4]] * 3
    assert await cache.get("b") == {"list": [1, 2]}


@pytest.mark.parametrize(
    "value",
    [
        Thing(),
        [{"deep": Thing()}],
        b"p4ssphrase",
        {"p4ssphrase"},
        ("p4ssphrase",),
        Point("p4ssphrase"),
        {424242: "p4ssphrase"},
        {None: "p4ssphrase"},
        math.nan,
        [-math.inf],
        10**5000,
        nested(100_000),
        Decimal("NaN"),
        Credentials(password=SecretStr("p4ssphrase")),
    ],
    ids=lambda value: type(value).__name__,
)
async def test_what_would_not_come_back_is_refused_without_being_shown(value: Any) -> None:
    for attempt in (lambda: cache.set("a", value), lambda: cache.get_or_set("a", returning(value))):
        with pytest.raises(CacheException, match=type(value).__name__) as caught:
            await attempt()
        seen = f"{caught.value.to_dict()} {caught.value.__cause__!r} {caught.value.__context__!r}"
        assert not any(secret in seen.lower() for secret in ("p4ssphrase", "424242", "nan"))
    assert await cache.get("a", MISS) is MISS


@pytest.mark.parametrize("key", ["", "x" * 513, "a\nb", "a\x00", "\x7f", "a\x85", "a\u2028b", "a\ud800", 7, None])
async def test_a_key_that_breaks_the_rule_is_refused_and_not_shown(key: Any, open_cache: OpenCache) -> None:
    backend = UnsteadyBackend()
    await open_cache(backend)
    attempts: list[Callable[[], Awaitable[object]]] = [
        lambda: cache.get(key),
        lambda: cache.set(key, 1),
        lambda: cache.delete(key),
        lambda: cache.delete_many(["fine", key]),
        lambda: cache.get_or_set(key, returning(1)),
    ]
    for attempt in attempts:
        with pytest.raises(CacheException, match="cache key") as caught:
            await attempt()
        assert not isinstance(key, str) or not key or key not in str(caught.value)
    assert backend.calls == 0


@pytest.mark.parametrize("ttl", [0, -1, math.nan, math.inf, 1e12])
async def test_a_ttl_out_of_range_is_refused(ttl: float) -> None:
    with pytest.raises(CacheException, match="seconds"):
        await cache.set("a", 1, ttl=ttl)
    with pytest.raises(CacheException, match="seconds"):
        await cache.get_or_set("a", returning(1), ttl=ttl)


async def test_a_ttl_is_shortened_at_random_and_never_lengthened(open_cache: OpenCache) -> None:
    backend = UnsteadyBackend()
    await open_cache(backend, ttl_jitter=0.25)
    for number in range(300):
        await cache.set(f"{number}", 1, ttl=100)

    ttls = [ttl for _, ttl in backend.kept.values()]
    assert 75 <= min(ttls) < 80
    assert 95 < max(ttls) <= 100
    assert len(set(ttls)) > 250


async def test_set_obeys_a_clock_that_is_moved() -> None:
    with time_machine.travel("2030-01-01T00:00:00Z", tick=False) as clock:
        await cache.set("a", 1, ttl=3600)
        clock.shift(3599)
        assert await cache.get("a") == 1
        clock.shift(1)
        assert await cache.get("a") is None


async def test_a_value_over_the_limit_is_refused_by_set_and_only_passed_on_by_a_load(open_cache: OpenCache) -> None:
    await open_cache(max_value_bytes=100)
    large = "p4ssphrase" * 10

    await cache.set("a", large[:98])
    with pytest.raises(CacheException, match=r"102 bytes .* limit is 100 \(CACHE_MAX_VALUE_BYTES\)") as caught:
        await cache.set("a", large)
    with captured_log() as log:
        assert await cache.get_or_set("b", returning(large)) == large
    assert await cache.get("b", MISS) is MISS
    assert [line["event"] for line in log.lines] == ["a value is too large to be cached"]
    assert "p4ss" not in log.text + str(caught.value)


async def test_delete_delete_many_and_clear(open_cache: OpenCache) -> None:
    backend = make_memory()
    await open_cache(backend, namespace="app:1:")
    for key in "abcd":
        await cache.set(key, key)
    await cache.delete("a")
    await cache.delete_many(key for key in "bc")
    await cache.delete_many([])
    assert [await cache.get(key) for key in "abcd"] == [None, None, None, "d"]

    await open_cache(backend, namespace="app:2:")
    assert await cache.get("d") is None, "another namespace"
    await cache.set("d", "of the new release")
    await cache.clear()
    assert await cache.get("d") is None
    assert await backend.get("app:1:d") == b'"d"'


async def test_what_another_program_wrote_under_a_key_is_a_miss(open_cache: OpenCache) -> None:
    backend = make_memory()
    await open_cache(backend)
    for alien in (b"\x80\x04K\x01.", b"", b"{", b"\xff\xff", b"[" * 500_000):
        await backend.set("tests:1:a", alien, ttl=60)
        assert await cache.get("a", MISS) is MISS
        assert await cache.get_or_set("a", returning("loaded")) == "loaded"
        assert await cache.get("a") == "loaded"


async def test_without_its_backend_everything_works_and_nothing_is_kept(open_cache: OpenCache) -> None:
    backend = UnsteadyBackend()
    await open_cache(backend)
    await cache.set("a", 1)
    backend.away = True

    assert await cache.get("a", MISS) is MISS
    await cache.set("a", 2)
    await cache.delete("a")
    await cache.clear()
    assert await cache.get_or_set("a", returning("loaded")) == "loaded"

    backend.away = False
    assert await cache.get("a") == 1


async def test_without_a_process_every_call_says_what_to_do() -> None:
    with process_of_its_own(), pytest.raises(ConfigurationError) as caught:
        await cache.get("a")
    assert "app.wiring" in str(caught.value.next_step)


async def test_make_cache_is_bounded_and_named_by_the_settings() -> None:
    settings = CacheSettings(
        max_entries=3, max_memory_bytes=1024, default_ttl_seconds=77, ttl_jitter=0, key_version="2"
    )
    async with open_process() as process:
        made = process.add(make_cache(settings, application_name="shop"))
        for number in range(5):
            await cache.set(f"{number}", "x")
        assert [await cache.get(f"{number}") for number in range(5)] == [None, None, "x", "x", "x"]
        await cache.set("large", "x" * 1021)
        assert await cache.get("4") is None

    assert (made.namespace, made.default_ttl) == ("shop:2:", 77)
    assert make_cache(settings.model_copy(update={"key_prefix": "b"}), application_name="shop").namespace == "b:2:"


async def test_importing_it_costs_little_and_reads_nothing() -> None:
    heavy = ("asyncpg", "cryptography", "fastapi", "httpx", "app.core.database")
    script = f"import sys, app.core.cache; print([name for name in {heavy} if name in sys.modules])"
    found = await asyncio.to_thread(subprocess.check_output, [sys.executable, "-c", script], text=True)

    assert found.strip() == "[]"
