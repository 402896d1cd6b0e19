"""The process's cache: opened once, closed, and reached as `from app.core import cache`."""

import subprocess
import sys

import pytest
from fastapi import FastAPI

from app.core import cache
from app.core.cache import close_cache, get_cache, init_cache, lifecycle
from app.core.config import CacheSettings
from app.core.exceptions import ConfigurationError
from tests.unit.core.cache.stores import UnsteadyBackend

pytestmark = pytest.mark.anyio


@pytest.fixture
def no_cache(monkeypatch: pytest.MonkeyPatch) -> None:
    """As in a process whose lifespan has not begun."""
    monkeypatch.setattr(lifecycle._current, "value", None)


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


@pytest.mark.usefixtures("no_cache")
async def test_before_it_is_opened_and_after_it_is_closed_every_call_says_what_to_do() -> None:
    init_cache(CacheSettings())
    await cache.set("a", 1)
    await close_cache()
    await close_cache()

    with pytest.raises(ConfigurationError) as caught:
        await cache.get("a")
    assert caught.value.next_step == "Call init_cache(settings) first."


@pytest.mark.usefixtures("no_cache")
async def test_a_second_cache_is_refused() -> None:
    init_cache(CacheSettings())
    with pytest.raises(ConfigurationError, match="already"):
        init_cache(CacheSettings())


@pytest.mark.usefixtures("no_cache")
async def test_settings_reach_the_cache_and_its_backend() -> None:
    backend = UnsteadyBackend()
    settings = CacheSettings(default_ttl_seconds=77, ttl_jitter=0, max_value_bytes=10, key_version="2")
    init_cache(settings, application_name="shop", backend=backend)
    await cache.set("a", 1)
    assert backend.kept == {"shop:2:a": (b"1", 77)}

    await close_cache()
    assert await backend.get("shop:2:a") is None, "the cache closes its backend"

    init_cache(settings.model_copy(update={"key_prefix": "other"}), application_name="shop", backend=backend)
    await cache.set("b", 1)
    assert "other:2:b" in backend.kept


@pytest.mark.usefixtures("no_cache")
async def test_memory_is_bounded_by_the_settings() -> None:
    init_cache(CacheSettings(max_entries=3, max_memory_bytes=1024))
    for number in range(5):
        await cache.set(f"{number}", "x")
    assert [await cache.get(f"{number}") for number in range(5)] == [None, None, "x", "x", "x"]

    await cache.set("large", "x" * 1021)
    assert await get_cache().get("4") is None
    assert await cache.get("large") == "x" * 1021


def test_importing_it_costs_little_and_reads_nothing() -> None:
    heavy = ("sqlalchemy", "pydantic", "pydantic_settings", "fastapi", "app.core.config")
    script = f"import sys, app.core.cache; print([name for name in {heavy} if name in sys.modules])"
    found = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)

    assert found.stdout.strip() == "[]"
