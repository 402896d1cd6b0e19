"""`TTLCache`: bounds, time, order of eviction, threads."""

import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
import time_machine

from app.core.cache import TTLCache


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
    with pytest.raises(ValueError, match="more than 0 seconds"):
        cache.set("a", 1, ttl=-1)


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


def test_ttl_cache_is_unharmed_by_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    # All methods at once on few keys, and a clock that lets another thread go on whenever it is looked at.
    def yielding() -> float:
        time.sleep(0)
        return time.time_ns() / 1e9

    monkeypatch.setattr("time.time", yielding)
    cache: TTLCache[int, int] = TTLCache(max_entries=8, ttl=60)
    start = threading.Barrier(8)

    def hammer(worker: int) -> None:
        start.wait()
        for step in range(400):
            key = (worker * 31 + step * 7) % 16
            cache.set(key, key, ttl=1e-5 if step % 3 else 60)
            assert cache.get(key) in {key, None}, "a value of another key"
            if step % 5 == 0:
                cache.delete(key)
            if step % 50 == 0:
                cache.cleanup_expired()
            if step % 200 == 0:
                cache.clear()

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(hammer, range(8)))

    assert sum(cache.get(key) is not None for key in range(16)) <= 8
