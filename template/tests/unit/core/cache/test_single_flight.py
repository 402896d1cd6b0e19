"""Many misses at once: one load, whatever becomes of it."""

import asyncio
import builtins
import threading
import traceback
from contextvars import ContextVar

import pytest

from app.core.cache import MISS, Cache
from app.core.exceptions import CacheException, ResourceNotFoundError, TimeoutError
from tests.unit.core.cache.stores import UnsteadyBackend, make_cache

pytestmark = pytest.mark.anyio


class Loader:
    """Counts, waits until it may go on, and then answers or raises."""

    def __init__(self, *, name: str = "load", open_: bool = False, error: BaseException | None = None) -> None:
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


def ask(cache: Cache, loader: Loader) -> asyncio.Task[str]:
    return asyncio.create_task(cache.get_or_set("a", loader))


async def settle() -> None:
    for _ in range(20):
        await asyncio.sleep(0)


@pytest.mark.parametrize("backend", [None, UnsteadyBackend], ids=["memory", "with a way to go"])
async def test_a_thousand_misses_load_once(backend: type[UnsteadyBackend] | None) -> None:
    cache, loader = make_cache(backend() if backend else None), Loader()
    callers = [ask(cache, loader) for _ in range(1000)]
    await settle()
    loader.gate.set()

    assert set(await asyncio.gather(*callers)) == {"load 1"}
    assert loader.calls == 1
    assert await cache.get_or_set("a", loader) == "load 1"


async def test_callers_who_come_while_it_is_being_stored_do_not_load_again() -> None:
    cache, loader = make_cache(UnsteadyBackend()), Loader(open_=True)
    callers = []
    for _ in range(200):
        callers.append(ask(cache, loader))
        await asyncio.sleep(0)

    assert set(await asyncio.gather(*callers)) == {"load 1"}
    assert loader.calls == 1


async def test_keys_do_not_wait_for_each_other() -> None:
    cache, slow = make_cache(), Loader()
    waiting = ask(cache, slow)
    await settle()

    assert await cache.get_or_set("b", Loader(open_=True)) == "load 1"
    slow.gate.set()
    await waiting


async def test_all_get_the_error_nothing_is_kept_and_the_next_call_tries_again() -> None:
    cache, failing = make_cache(), Loader(error=ResourceNotFoundError("Item", 7))
    callers = [ask(cache, failing) for _ in range(100)]
    await settle()
    failing.gate.set()
    answers = await asyncio.gather(*callers, return_exceptions=True)

    assert failing.calls == 1
    assert all(isinstance(answer, ResourceNotFoundError) for answer in answers)
    assert await cache.get("a", MISS) is MISS
    assert await cache.get_or_set("a", Loader(open_=True)) == "load 1"


async def test_an_error_shared_by_many_keeps_a_short_traceback() -> None:
    cache, failing = make_cache(), Loader(error=ValueError("no"))
    callers = [ask(cache, failing) for _ in range(100)]
    await settle()
    failing.gate.set()
    answers = await asyncio.gather(*callers, return_exceptions=True)

    last = answers[-1]
    assert isinstance(last, ValueError)
    assert len(traceback.extract_tb(last.__traceback__)) < 20


async def test_when_the_first_caller_is_cancelled_the_others_get_a_value() -> None:
    cache, loader = make_cache(), Loader()
    first, *others = [ask(cache, loader) for _ in range(50)]
    await settle()
    first.cancel()
    await settle()
    assert (loader.calls, loader.cancelled) == (2, 1), "the loader of the next in line runs"
    loader.gate.set()

    assert set(await asyncio.gather(*others)) == {"load 2"}
    with pytest.raises(asyncio.CancelledError):
        await first
    assert await cache.get("a") == "load 2"


async def test_a_caller_who_waits_and_is_cancelled_takes_nobody_along() -> None:
    cache, loader = make_cache(), Loader()
    first, second, third = [ask(cache, loader) for _ in range(3)]
    await settle()
    second.cancel()
    await settle()
    loader.gate.set()

    assert set(await asyncio.gather(first, third)) == {"load 1"}
    assert (loader.calls, loader.cancelled) == (1, 0)


async def test_when_all_are_cancelled_nothing_goes_on_and_the_next_call_begins_anew() -> None:
    cache, loader = make_cache(), Loader()
    callers = [ask(cache, loader) for _ in range(5)]
    await settle()
    before = asyncio.all_tasks() - set(callers)
    for caller in callers:
        caller.cancel()
    await asyncio.gather(*callers, return_exceptions=True)

    assert asyncio.all_tasks() == before, "no task outlives its caller"
    assert await cache.get("a", MISS) is MISS
    assert await cache.get_or_set("a", Loader(open_=True)) == "load 1"


async def test_a_loader_runs_with_the_means_of_its_own_caller() -> None:
    identity: ContextVar[str] = ContextVar("identity")
    cache, blocked = make_cache(), Loader()

    async def request(name: str) -> str:
        identity.set(name)

        async def load() -> str:
            await blocked()
            return identity.get()

        return await cache.get_or_set("a", load)

    first, second = asyncio.create_task(request("first")), asyncio.create_task(request("second"))
    await settle()
    first.cancel()
    await settle()
    blocked.gate.set()

    assert await second == "second", "the first one's session would be closed by now"


async def test_a_loader_that_hangs_is_ended_for_all_and_blocks_its_key_no_longer() -> None:
    cache, hanging = make_cache(load_timeout=0.05), Loader()
    async with asyncio.timeout(5):
        answers = await asyncio.gather(*(ask(cache, hanging) for _ in range(10)), return_exceptions=True)

    assert all(isinstance(answer, TimeoutError) for answer in answers)
    assert (hanging.calls, hanging.cancelled) == (1, 1)
    assert await cache.get_or_set("a", Loader(open_=True), load_timeout=5) == "load 1"


async def test_a_timeout_of_the_loaders_own_is_not_mistaken_for_the_caches() -> None:
    async def load() -> str:
        async with asyncio.timeout(0.01):
            await asyncio.sleep(5)
        return ""

    with pytest.raises(builtins.TimeoutError) as caught:
        await make_cache().get_or_set("a", load)
    assert not isinstance(caught.value, TimeoutError)


async def test_a_loader_that_asks_for_its_own_key_is_told_so() -> None:
    cache = make_cache()

    async def load() -> str:
        return await cache.get_or_set("a", load)

    async with asyncio.timeout(2):
        with pytest.raises(CacheException, match="wait for itself"):
            await cache.get_or_set("a", load)


@pytest.mark.parametrize("change", ["delete", "delete_many", "clear", "set"])
async def test_a_load_that_began_before_a_change_does_not_undo_it(change: str) -> None:
    cache, old = make_cache(), Loader()
    early = ask(cache, old)
    await settle()
    if change == "delete":
        await cache.delete("a")
    elif change == "delete_many":
        await cache.delete_many(["a"])
    elif change == "clear":
        await cache.clear()
    else:
        await cache.set("a", "set 1")
    new = Loader(name="new", open_=True)
    late = await cache.get_or_set("a", new)
    old.gate.set()

    assert await early == "load 1", "it was asked for before the change"
    assert late == await cache.get("a") == ("set 1" if change == "set" else "new 1")


async def test_a_load_that_began_before_a_deletion_is_not_kept_when_nobody_asks_meanwhile() -> None:
    cache, old = make_cache(), Loader()
    early = ask(cache, old)
    await settle()
    await cache.delete("a")
    old.gate.set()

    assert await early == "load 1"
    assert await cache.get("a", MISS) is MISS


async def test_a_load_that_was_overtaken_does_not_end_the_one_that_overtook_it() -> None:
    cache, old, new = make_cache(), Loader(), Loader()
    early = ask(cache, old)
    await settle()
    await cache.delete("a")
    late = ask(cache, new)
    await settle()
    old.gate.set()
    await early
    later = ask(cache, new)
    await settle()
    new.gate.set()

    assert set(await asyncio.gather(late, later)) == {"load 1"}
    assert new.calls == 1


def test_each_event_loop_loads_for_itself_and_none_waits_for_another() -> None:
    cache = make_cache()
    loads = threading.Barrier(2, timeout=5)
    values: list[str] = []

    def on_a_loop_of_its_own() -> None:
        async def load() -> str:
            loads.wait()  # passes only when both loops load at the same time
            return "loaded"

        async def run() -> None:
            values.append(await cache.get_or_set("a", load))

        asyncio.run(run())

    threads = [threading.Thread(target=on_a_loop_of_its_own) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)

    assert values == ["loaded", "loaded"]
    assert cache._flights._flights == {}
