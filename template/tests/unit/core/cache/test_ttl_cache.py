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


def test_get_returns_a_value_until_its_time_is_over(clock: time_machine.Traveller) -> None:
    cache: TTLCache[str, int] = TTLCache(max_entries=10, ttl=5)
    cache.set("usual", 1)
    cache.set("longer", 2, ttl=7)

    clock.shift(4.999)
    assert (cache.get("usual"), cache.get("longer")) == (1, 2)
    clock.shift(0.001)
    assert (cache.get("usual"), cache.get("usual", -1), cache.get("longer")) == (None, -1, 2)
    clock.shift(2)
    assert cache.get("longer") is None
    assert len(cache) == 0, "what has expired and was asked for is freed"


def test_a_ttl_may_be_a_timedelta(clock: time_machine.Traveller) -> None:
    cache: TTLCache[str, int] = TTLCache(max_entries=10, ttl=timedelta(minutes=1))
    cache.set("usual", 1)
    cache.set("longer", 2, ttl=timedelta(minutes=2))

    clock.shift(61)
    assert (cache.get("usual"), cache.get("longer")) == (None, 2)


def test_set_evicts_the_least_recently_used(clock: time_machine.Traveller) -> None:
    cache: TTLCache[str, int] = TTLCache(max_entries=3, ttl=100)
    for key in "abc":
        cache.set(key, 0)
    cache.get("a")
    cache.set("b", 1)

    cache.set("d", 0)

    assert cache.keys() == ["a", "b", "d"]


def test_set_keeps_the_weight_of_all_within_max_weight() -> None:
    cache: TTLCache[str, bytes] = TTLCache(max_entries=100, ttl=60, max_weight=10, weigh=len)
    cache.set("a", b"....")
    cache.set("b", b"....")
    cache.set("a", b".....")
    assert cache.keys() == ["b", "a"]

    cache.set("c", b"....")
    assert cache.keys() == ["a", "c"]

    cache.set("too heavy by itself", b"." * 11)
    assert cache.keys() == ["a", "c"]

    cache.delete("a")
    cache.set("d", b"......")
    assert cache.keys() == ["c", "d"], "a deleted value weighs nothing any more"

    cache.clear()
    cache.set("e", b"." * 10)
    assert cache.keys() == ["e"]


def test_cleanup_expired_frees_and_counts(clock: time_machine.Traveller) -> None:
    cache: TTLCache[int, int] = TTLCache(max_entries=100, ttl=10)
    for key in range(6):
        cache.set(key, key, ttl=1 + key)
    cache.delete(0)
    clock.shift(3.5)

    assert cache.cleanup_expired() == 2
    assert cache.keys() == [3, 4, 5]
    assert cache.cleanup_expired() == 0


@pytest.mark.parametrize("ttl", [0, -1, float("nan")])
def test_a_ttl_that_is_not_positive_is_refused(ttl: float) -> None:
    with pytest.raises(ValueError, match="more than 0 seconds"):
        TTLCache(max_entries=1, ttl=ttl)
    with pytest.raises(ValueError, match="more than 0 seconds"):
        TTLCache[str, int](max_entries=1, ttl=1).set("a", 1, ttl=ttl)


def test_threads_break_neither_a_bound_nor_each_other(monkeypatch: pytest.MonkeyPatch) -> None:
    # All methods at once on few keys, with times so short that entries expire all along, and a clock that lets
    # another thread go on whenever it is looked at, in the middle of things.
    def yielding() -> float:
        time.sleep(0)
        return time.time_ns() / 1e9

    monkeypatch.setattr("time.time", yielding)
    cache: TTLCache[int, bytes] = TTLCache(max_entries=8, ttl=60, max_weight=200, weigh=len)
    start = threading.Barrier(8)

    def hammer(worker: int) -> None:
        start.wait()
        for step in range(400):
            key = (worker * 31 + step * 7) % 16
            cache.set(key, b"%d" % key * (step % 9), ttl=1e-5 if step % 3 else 60)
            found = cache.get(key)
            assert found is None or set(found) <= set(b"%d" % key), "a value of another key"
            if step % 5 == 0:
                cache.delete(key)
            if step % 50 == 0:
                cache.cleanup_expired()
            if step % 200 == 0:
                cache.clear()
            assert len(cache) <= 8

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(hammer, range(8)))

    kept = [value for key in cache.keys() if (value := cache.get(key)) is not None]  # noqa: SIM118
    assert sum(map(len, kept)) <= 200
    for key in range(8):
        cache.set(key, b"x" * 25)
    assert len(cache) == 8, "as much as may be there"
    cache.set(0, b"x" * 26)
    assert len(cache) == 7


def test_a_finalizer_that_uses_the_cache_does_not_deadlock() -> None:
    class Farewell:
        def __del__(self) -> None:
            cache.set("farewell", 1)

    cache: TTLCache[str, object] = TTLCache(max_entries=5, ttl=60)

    def use() -> None:
        cache.set("a", Farewell())
        cache.set("a", "replaced")
        said.append(cache.get("farewell"))
        cache.set("a", Farewell())
        cache.clear()
        said.append(cache.get("farewell"))

    said: list[object] = []
    thread = threading.Thread(target=use, daemon=True)
    thread.start()
    thread.join(5)

    assert not thread.is_alive(), "the lock waits for itself"
    assert said == [1, 1]
