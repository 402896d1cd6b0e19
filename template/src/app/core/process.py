"""The objects that a process has one of: opened together by `app.wiring`, and closed in reverse.

Doors such as `get_database()` and `app.core.cache` ask here, so that no function is handed what every one may need.
"""

import threading
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any, Final, Generic, TypeVar, cast

from app.core.exceptions import ConfigurationError

T = TypeVar("T")


class Process(AsyncExitStack):
    """Objects by their types. What is entered here is left in reverse order when the process ends."""

    def __init__(self) -> None:
        super().__init__()
        self.objects: dict[type[Any], object] = {}

    def add(self, value: T, *, close: Callable[[], Awaitable[object]] | None = None) -> T:
        """Have an object until `close` has ended it, and return it; ConfigurationError if there is one of its type."""
        kind = type(value)
        if kind in self.objects:
            raise ConfigurationError(f"This process has a {kind.__name__} already.")
        self.objects[kind] = value
        self.callback(self.objects.pop, kind)
        if close is not None:
            self.push_async_callback(close)
        return value


# The last one is asked first: a test opens a process of its own inside of another, with what it wants to be different.
_open: Final[list[Process]] = []


@asynccontextmanager
async def open_process() -> AsyncIterator[Process]:
    """Open a process without any object; what is added to it is closed when the block ends."""
    process = Process()
    _open.append(process)
    try:
        async with process:
            yield process
    finally:
        _open.remove(process)


def get_object(kind: type[T]) -> T:
    """Return the process's object of this type; ConfigurationError where nothing has opened one, or it is closed."""
    for process in reversed(_open):
        if kind in process.objects:
            return cast("T", process.objects[kind])
    raise ConfigurationError(
        f"This process has no {kind.__name__}.",
        next_step="Add it in app/wiring.py, by `process.add(…)`, and run this in `async with open_services(settings)`.",
    )


class Singleton(Generic[T]):
    """A lazily made object, by a factory that runs once, under a lock; if it raises, the next call tries again."""

    def __init__(self, factory: Callable[[], T]) -> None:
        self._factory = factory
        # Reentrant: a factory that asks for its own object ends in a RecursionError instead of waiting for itself.
        self._lock = threading.RLock()
        self._made: tuple[T] | None = None

    def __call__(self) -> T:
        """Return the object, made now if it is not there yet."""
        if (made := self._made) is None:
            with self._lock:
                # Looked at again: another thread may have made it while this one waited for the lock.
                made = self._made = self._made or (self._factory(),)
        return made[0]

    def cache_clear(self) -> None:
        """Forget the object, which is not closed; the next call makes a new one."""
        self._made = None
