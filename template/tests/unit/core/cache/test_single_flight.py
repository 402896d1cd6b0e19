"""`get_or_set()` with many misses at once: one load, also when it fails or is cancelled."""

import asyncio
import threading
import traceback
from contextvars import ContextVar

import pytest

from app.core import cache
from app.core.exceptions import CacheException, ResourceNotFoundError
from tests.unit.core.cache.conftest import OpenCache
from tests.unit.core.cache.stores import UnsteadyBackend

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("open_cache")]

MISS = object()


class Loader:
    """Counts, waits until it may go on, and then answers or raises."""

    def __init__(self, *, name: str = "load", open_: bool = False, error: Exception | None = None) -> None:
        self.name = name
        self.calls = 0
        self.cancelled = 0
        self.error = error
        self.gate = asyncio.Event()
        if open_:
            self.gate.set()

    async def __call__(self) -> str:
        self.calls += 1
        number = self.calls
        try:
            await self.gate.wait()
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        if self.error:
            raise self.error
        return f"{self.name} {number}"


async def ask(loader: Loader, number: int = 1) -> list[asyncio.Task[str]]:
    """Callers who wait for it now."""
    callers = [asyncio.create_task(cache.get_or_set("a", loader)) for _ in range(number)]
    for _ in range(20):
        await asyncio.sleep(0)
    return callers


@pytest.mark.parametrize("backend", [None, UnsteadyBackend], ids=["memory", "with a way to go"])
async def test_a_thousand_misses_load_once(backend: type[UnsteadyBackend] | None, open_cache: OpenCache) -> None:
    await open_cache(backend() if backend else None)
    loader = Loader()
    callers = await ask(loader, 1000)
    loader.gate.set()

    assert set(await asyncio.gather(*callers)) == {"load 1"}
    assert await cache.get_or_set("a", loader) == "load 1"
    assert loader.calls == 1


async def test_keys_do_not_wait_for_each_other() -> None:
    slow = Loader()
    waiting = await ask(slow)

    assert await cache.get_or_set("b", Loader(open_=True)) == "load 1"
    slow.gate.set()
    await asyncio.gather(*waiting)


async def test_a_loaders_error_reaches_all_and_is_not_kept() -> None:
    failing = Loader(error=ResourceNotFoundError("Item", 7))
    callers = await ask(failing, 100)
    failing.gate.set()
    answers = await asyncio.gather(*callers, return_exceptions=True)

    assert failing.calls == 1
    last = answers[-1]
    assert isinstance(last, ResourceNotFoundError)
    assert all(answer is last for answer in answers)
    assert len(traceback.extract_tb(last.__traceback__)) < 20, "it does not grow by every caller"
    assert await cache.get_or_set("a", Loader(open_=True)) == "load 1"


async def test_when_the_first_caller_is_cancelled_the_others_get_a_value() -> None:
    loader = Loader()
    first, *others = await ask(loader, 50)
    first.cancel()
    others += await ask(loader)
    assert (loader.calls, loader.cancelled) == (2, 1), "the loader of the next in line runs"
    loader.gate.set()

    assert set(await asyncio.gather(*others)) == {"load 2"}
    with pytest.raises(asyncio.CancelledError):
        await first
    assert await cache.get("a") == "load 2"


async def test_when_a_waiting_caller_is_cancelled_the_others_get_a_value() -> None:
    loader = Loader()
    first, second, third = await ask(loader, 3)
    second.cancel()
    await asyncio.sleep(0)
    loader.gate.set()

    assert set(await asyncio.gather(first, third)) == {"load 1"}
    assert (loader.calls, loader.cancelled) == (1, 0)


async def test_a_loader_runs_in_the_context_of_its_own_caller() -> None:
    identity: ContextVar[str] = ContextVar("identity")
    blocked = Loader()

    async def request(name: str) -> str:
        identity.set(name)

        async def load() -> str:
            await blocked()
            return identity.get()

        return await cache.get_or_set("a", load)

    first, second = asyncio.create_task(request("first")), asyncio.create_task(request("second"))
    await ask(blocked, 0)
    first.cancel()
    await ask(blocked, 0)
    blocked.gate.set()

    assert await second == "second", "the first one's session would be closed by now"


async def test_a_loader_that_asks_for_its_own_key_is_refused() -> None:
    async def load() -> str:
        return await cache.get_or_set("a", load)

    async with asyncio.timeout(2):
        with pytest.raises(CacheException, match="wait for itself"):
            await cache.get_or_set("a", load)


@pytest.mark.parametrize("change", ["delete", "delete_many", "clear", "set"])
async def test_a_load_that_began_before_a_change_does_not_undo_it(change: str) -> None:
    old, new = Loader(), Loader(name="new")
    (early,) = await ask(old)
    if change == "delete":
        await cache.delete("a")
    elif change == "delete_many":
        await cache.delete_many(["a"])
    elif change == "clear":
        await cache.clear()
    else:
        await cache.set("a", "set 1")
    late = await ask(new)
    old.gate.set()
    assert await early == "load 1", "it was asked for before the change"
    late += await ask(new)
    new.gate.set()

    expected = "set 1" if change == "set" else "new 1"
    assert {*await asyncio.gather(*late), await cache.get("a")} == {expected}


async def test_each_event_loop_loads_for_itself_and_none_waits_for_another() -> None:
    loads = threading.Barrier(2, timeout=5)

    def on_a_loop_of_its_own() -> str:
        async def load() -> str:
            loads.wait()  # passes only when both loops load at the same time
            return "loaded"

        async def run() -> str:
            return await cache.get_or_set("a", load)

        return asyncio.run(run())

    assert await asyncio.gather(*(asyncio.to_thread(on_a_loop_of_its_own) for _ in range(2))) == ["loaded"] * 2
