"""`run_in_thread`: bounded, with the caller's context, and what a cancelled caller leaves behind."""

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextvars import ContextVar

import pytest

from app.core.threads import run_in_thread

pytestmark = pytest.mark.anyio

_word: ContextVar[str] = ContextVar("word", default="none")


class Blocking:
    """Blocks its thread until the gate opens, and counts."""

    def __init__(self) -> None:
        self.gate = threading.Event()
        self.calls = 0

    def __call__(self) -> str:
        self.calls += 1
        self.gate.wait(10)
        return "done"


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(5):
        while not condition():  # noqa: ASYNC110 — what is waited for happens in a thread
            await asyncio.sleep(0.002)


async def test_run_in_thread_carries_context_there_and_the_result_or_error_back() -> None:
    def change(word: str) -> tuple[str, bool]:
        before = _word.get()
        _word.set(word)
        return before, threading.current_thread() is threading.main_thread()

    for word in ("first", "second"):
        _word.set(word)
        assert await run_in_thread(change, "from the thread") == (word, False)
        assert _word.get() == word
    with pytest.raises(ZeroDivisionError):
        await run_in_thread(divmod, 1, 0)


async def test_run_in_thread_keeps_the_place_of_a_caller_who_has_left_and_holds_up_no_other_threads() -> None:
    blocking, threads = Blocking(), ThreadPoolExecutor(1)
    first = asyncio.create_task(run_in_thread(blocking, threads=threads))
    await until(lambda: blocking.calls == 1)
    first.cancel()
    with pytest.raises(asyncio.CancelledError):
        await first
    for _ in range(3):
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.02):
                await run_in_thread(blocking, threads=threads)
    assert await run_in_thread(len, "abc") == 3
    assert blocking.calls == 1, "the thread is taken; those who waited for it never ran"

    blocking.gate.set()
    assert await run_in_thread(blocking, threads=threads) == "done"
    assert blocking.calls == 2
