"""Objects that are made by the first caller who asks for them."""

import threading
from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")


class Singleton(Generic[T]):
    """A lazily made object: `instance = Singleton(make)`, then `instance()` wherever it is needed.

    The factory runs at most once, under a lock; once the object is there, getting it takes no lock. A factory that
    raises leaves nothing behind, so that the next call tries again.
    """

    def __init__(self, factory: Callable[[], T]) -> None:
        self._factory = factory
        # Reentrant: a factory that asks for its own object ends in a RecursionError instead of waiting for itself.
        self._lock = threading.RLock()
        # A tuple instead of a bare value: None is a value a factory may return.
        self._made: tuple[T] | None = None

    def __call__(self) -> T:
        """Return the object, made now if it is not there yet."""
        made = self._made
        if made is None:
            with self._lock:
                # Looked at again: another thread may have made it while this one waited for the lock.
                made = self._made = self._made or (self._factory(),)
        return made[0]

    def cache_clear(self) -> None:
        """Forget the object; the next call makes a new one. The old one is not closed: that is its owner's work."""
        self._made = None
