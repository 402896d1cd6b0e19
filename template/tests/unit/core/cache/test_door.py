"""The process's cache: opened once, closed, and reached as `from app.core import cache`."""

import subprocess
import sys

import pytest
from fastapi import FastAPI

from app.core import cache
from app.core.cache import make_cache
from app.core.config import CacheSettings
from app.core.exceptions import ConfigurationError
from tests.applications import process_of_its_own
from tests.unit.core.cache.stores import UnsteadyBackend

pytestmark = pytest.mark.anyio


async def test_the_running_application_has_a_cache(app: FastAPI) -> None:
    await cache.set("a", [1], ttl=60)
    assert await cache.get("a") == [1]
    assert await cache.get("b", cache.MISS) is cache.MISS

    async def load() -> str:
        return "loaded"

    assert await cache.get_or_set("b", load, ttl=60) == "loaded"
    await cache.delete("a")
    await cache.delete_many(["b"])
    await cache.set("c", 1)
    await cache.clear()
    assert [await cache.get(key) for key in "abc"] == [None] * 3


async def test_without_a_process_every_call_says_what_to_do() -> None:
    with process_of_its_own(), pytest.raises(ConfigurationError) as caught:
        await cache.get("a")
    assert "app.wiring" in str(caught.value.next_step)


async def test_settings_reach_the_cache_and_its_backend() -> None:
    backend = UnsteadyBackend()
    settings = CacheSettings(default_ttl_seconds=77, ttl_jitter=0, max_value_bytes=10, key_version="2")
    made = make_cache(settings, application_name="shop", backend=backend)
    await made.set("a", 1)
    assert backend.kept == {"shop:2:a": (b"1", 77)}

    await made.close()
    assert await backend.get("shop:2:a") is None, "the cache closes its backend"

    named = settings.model_copy(update={"key_prefix": "other"})
    await make_cache(named, application_name="shop", backend=backend).set("b", 1)
    assert "other:2:b" in backend.kept


async def test_memory_is_bounded_by_the_settings() -> None:
    made = make_cache(CacheSettings(max_entries=3, max_memory_bytes=1024))
    for number in range(5):
        await made.set(f"{number}", "x")
    assert [await made.get(f"{number}") for number in range(5)] == [None, None, "x", "x", "x"]

    await made.set("large", "x" * 1021)
    assert await made.get("4") is None
    assert await made.get("large") == "x" * 1021


def test_importing_it_costs_little_and_reads_nothing() -> None:
    heavy = ("sqlalchemy", "pydantic", "pydantic_settings", "fastapi", "app.core.config")
    script = f"import sys, app.core.cache; print([name for name in {heavy} if name in sys.modules])"
    found = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)

    assert found.stdout.strip() == "[]"
