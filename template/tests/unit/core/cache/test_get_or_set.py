"""`get_or_set()` with many misses at once: one load, also when it fails, is cancelled or is overtaken by a change."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from app.core import cache
from app.core.exceptions import ResourceNotFoundError
from tests.caches import UnsteadyBackend, caching

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("slow_cache")]


@pytest.fixture
async def slow_cache() -> AsyncIterator[None]:
    async with caching(UnsteadyBackend()):
        yield


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

    assert set(await asyncio.gather(*callers)) == {"load 1"}
    assert await cache.get_or_set("a", loader) == "load 1"
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
