"""The objects that a process has one of: opened together, closed in reverse, and reached through doors.

`app.wiring` opens them, for the lifespan of the web process and for commands and scripts alike. Doors such as
`get_database()` and `app.core.cache` ask here, so that no function has to be handed what every function may need.
"""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any, Final, TypeVar, cast

from app.core.exceptions import ConfigurationError

T = TypeVar("T")


class Process(AsyncExitStack):
    """Objects by their types. What is entered here is left in reverse order when the process ends."""

    def __init__(self) -> None:
        super().__init__()
        self.objects: dict[type[Any], object] = {}

    def add(self, value: T, *, close: Callable[[], Awaitable[object]] | None = None) -> T:
        """Have an object until the process ends.

        Args:
            value: One of its type at most.
            close: Ends it. Until then, the doors still lead to it.

        Raises:
            ConfigurationError: There is one of its type already.
        """
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
    """Return the process's object of this type.

    Raises:
        ConfigurationError: Nothing has opened one yet, or it is closed.
    """
    for process in reversed(_open):
        if kind in process.objects:
            return cast("T", process.objects[kind])
    raise ConfigurationError(
        f"This process has no {kind.__name__}.",
        next_step="Open the application's objects around it: `async with open_services(settings)`, of app.wiring.",
    )
