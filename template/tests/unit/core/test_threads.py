"""`run_in_thread`: bounded, with the caller's context, and what a cancelled caller leaves behind."""

import asyncio
import threading
import time
from collections.abc import Callable
from contextvars import ContextVar

import pytest

from app.core.logging import current_request_id, log_context
from app.core.threads import BLOCKING_CALLS, ThreadLimiter, run_in_thread

pytestmark = pytest.mark.anyio

_word: ContextVar[str] = ContextVar("word", default="none")


class Blocking:
    """Blocks its thread until the gate opens, and knows how many threads it blocked at once."""

    def __init__(self) -> None:
        self.gate = threading.Event()
        self.running = 0
        self.peak = 0
        self.calls = 0
        self._lock = threading.Lock()

    def __call__(self) -> str:
        with self._lock:
            self.calls += 1
            self.running += 1
            self.peak = max(self.peak, self.running)
        self.gate.wait(10)
        with self._lock:
            self.running -= 1
        return "done"


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(5):
        while not condition():  # noqa: ASYNC110 — what is waited for happens in a thread
            await asyncio.sleep(0.002)


async def test_it_returns_what_the_function_returns_and_the_loop_goes_on() -> None:
    blocking = Blocking()
    call = asyncio.create_task(run_in_thread(blocking))
    await until(lambda: blocking.running == 1)
    blocking.gate.set()

    assert await call == "done"
    assert await run_in_thread(divmod, 7, 3) == (2, 1)
    assert await run_in_thread(threading.current_thread) is not threading.current_thread()


async def test_no_more_than_the_limit_run_at_a_time_and_the_rest_wait() -> None:
    blocking, limiter = Blocking(), ThreadLimiter(3, name="test")
    calls = [asyncio.create_task(run_in_thread(blocking, limiter=limiter)) for _ in range(20)]
    await until(lambda: blocking.running == 3)
    await asyncio.sleep(0.02)
    blocking.gate.set()

    assert await asyncio.gather(*calls) == ["done"] * 20
    assert (blocking.peak, limiter.size) == (3, 3)
    assert BLOCKING_CALLS.size == 32


async def test_one_limiter_does_not_hold_up_another() -> None:
    blocking, limiter = Blocking(), ThreadLimiter(1, name="test")
    call = asyncio.create_task(run_in_thread(blocking, limiter=limiter))
    await until(lambda: blocking.running == 1)
    assert await run_in_thread(len, "abc") == 3
    blocking.gate.set()
    await call


async def test_context_goes_along_and_does_not_come_back() -> None:
    def change() -> tuple[str, str | None]:
        before = _word.get()
        _word.set("from the thread")
        return before, current_request_id()

    _word.set("from the request")
    with log_context(request_id="r-1"):
        assert await run_in_thread(change) == ("from the request", "r-1")
    assert _word.get() == "from the request"
    _word.set("later")
    assert (await run_in_thread(change))[0] == "later", "a thread that is used again keeps nothing"


async def test_errors_come_through() -> None:
    with pytest.raises(ZeroDivisionError):
        await run_in_thread(divmod, 1, 0)


async def test_the_one_error_a_future_cannot_carry_does_not_hang() -> None:
    async with asyncio.timeout(5):
        with pytest.raises(RuntimeError, match="StopIteration"):
            await run_in_thread(next, iter(()))


async def test_a_cancelled_caller_leaves_at_once_while_the_call_keeps_its_place() -> None:
    blocking, limiter = Blocking(), ThreadLimiter(1, name="test")
    first = asyncio.create_task(run_in_thread(blocking, limiter=limiter))
    await until(lambda: blocking.running == 1)
    began = time.monotonic()
    first.cancel()
    with pytest.raises(asyncio.CancelledError):
        await first
    for _ in range(3):
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.02):
                await run_in_thread(blocking, limiter=limiter)
    assert time.monotonic() - began < 3, "the gate is still closed"
    assert (blocking.calls, blocking.peak) == (1, 1), "the thread is taken; those who waited for it never ran"

    blocking.gate.set()
    assert await run_in_thread(blocking, limiter=limiter) == "done"
    assert (blocking.calls, blocking.peak) == (2, 1)
