"""A batch of what comes together during one turn of the event loop, handed on when the turn ends."""

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

T = TypeVar("T")


class TurnBatch(Generic[T]):
    """Collects from tasks and threads, and hands on from the event loop, in order.

    Args:
        hand_on: Takes what has come together; never nothing.
    """

    def __init__(self, hand_on: Callable[[Sequence[T]], None]) -> None:
        self._hand_on = hand_on
        # Both of its ends may be used from different threads.
        self._waiting: deque[T] = deque()
        self._flushed_by: asyncio.AbstractEventLoop | None = None

    def add(self, one: T) -> None:
        """Have it handed on at the end of this turn, or at once where no event loop runs."""
        self._waiting.append(one)
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            self.flush()
            return
        # Another loop's turn may never end: it may have been stopped.
        if self._flushed_by is not loop:
            self._flushed_by = loop
            loop.call_soon(self.flush)

    def flush(self) -> None:
        """Hand on what is waiting, now."""
        self._flushed_by = None
        together = []
        while self._waiting:
            together.append(self._waiting.popleft())
        if together:
            self._hand_on(together)
