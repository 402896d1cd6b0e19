"""Calls that block or compute go to a thread, no more than so many at a time: `await run_in_thread(func, *args)`."""

import asyncio
import contextvars
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Final, TypeVar, TypeVarTuple

T = TypeVar("T")
Ts = TypeVarTuple("Ts")

# For calls that wait for a disk or a library: as many as the standard library's own default has at most.
_BLOCKING_CALLS: Final = ThreadPoolExecutor(32, thread_name_prefix="blocking-call")


async def run_in_thread(func: Callable[[*Ts], T], *args: *Ts, threads: ThreadPoolExecutor = _BLOCKING_CALLS) -> T:
    """Call a function in a thread, with the context variables of its caller, and wait for it.

    A thread cannot be interrupted. When the caller is cancelled, or its deadline passes, a call that has not begun
    never runs; one that has begun runs to its end, its result is dropped, and it keeps its thread until then. A process
    that stops waits for it, so a call needs a time limit of its own.

    Args:
        func: Neither asynchronous nor touching objects of the event loop, such as a database session.
        args: Passed on; use `functools.partial` for keywords.
        threads: Bounds the calls of this kind that run at a time, for all event loops of the process. Work that would
            crowd out other work, such as hashing passwords, has threads of its own, about as many as processors.
    """
    context = contextvars.copy_context()
    return await asyncio.get_running_loop().run_in_executor(threads, context.run, func, *args)
