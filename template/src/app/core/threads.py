"""Calls that block or compute go to a thread, no more than so many at a time: `await run_in_thread(func, *args)`."""

import asyncio
import contextvars
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Final, TypeVar, TypeVarTuple

T = TypeVar("T")
Ts = TypeVarTuple("Ts")


class ThreadLimiter:
    """At most so many calls at a time, for all event loops and threads of this process; the rest wait in order.

    Threads are started when they are first needed, then kept. Work that would crowd out other work, such as hashing
    passwords, gets a limiter of its own, of about as many threads as there are processors.

    Args:
        size: The most calls that run at a time.
        name: The beginning of its threads' names in a debugger.
    """

    def __init__(self, size: int, *, name: str) -> None:
        self.size = size
        self.threads = ThreadPoolExecutor(max_workers=size, thread_name_prefix=name)


# Calls that wait for a disk or a library without an asynchronous interface. As many as the standard library's own
# default has at most (`ThreadPoolExecutor`), on any machine: they wait, they do not compute.
BLOCKING_CALLS: Final = ThreadLimiter(32, name="blocking-call")


async def run_in_thread(func: Callable[[*Ts], T], *args: *Ts, limiter: ThreadLimiter = BLOCKING_CALLS) -> T:
    """Call a function in a thread and wait for it without blocking the event loop.

    Context variables are carried over, so that what it logs has the request's id; those it sets do not come back.

    A thread cannot be interrupted. When the caller is cancelled, or its deadline passes, a call that has not begun
    never runs; one that has begun runs to its end, its result is dropped, and it keeps its place among the
    limiter's until then. A process that stops waits for it, so a call needs a time limit of its own.

    Args:
        func: Neither asynchronous nor touching objects of the event loop, such as a database session.
        args: Passed on; use `functools.partial` for keywords.
        limiter: Bounds the calls of this kind that run at a time.

    Raises:
        Exception: The error of the function.
    """
    context = contextvars.copy_context()
    return await asyncio.get_running_loop().run_in_executor(limiter.threads, context.run, _call, func, args)


def _call(func: Callable[[*Ts], T], args: tuple[*Ts]) -> T:
    try:
        return func(*args)
    except StopIteration as err:
        # A future refuses to carry it, and its caller would wait for ever (Python before 3.12).
        raise RuntimeError("The function raised StopIteration.") from err
