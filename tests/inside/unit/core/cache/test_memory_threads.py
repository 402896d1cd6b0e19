"""`TTLCache` in many threads that do nothing else."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from app.core.cache import TTLCache


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
