"""Process-wide objects: made by the first who asks for them, or by whoever opens and closes them."""

import threading
from collections.abc import Callable
from typing import Generic, TypeVar

from app.core.exceptions import ConfigurationError

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
        # A one-element tuple instead of a bare value: None is a value a factory may return.
        self._made: tuple[T] | None = None

    def __call__(self) -> T:
        """The object, made now if it is not there yet."""
        made = self._made
        if made is None:
            with self._lock:
                # Looked at again: another thread may have made it while this one waited for the lock.
                made = self._made
                if made is None:
                    made = self._made = (self._factory(),)
        return made[0]

    def cache_clear(self) -> None:
        """Forget the object; the next call makes a new one. The old one is not closed: that is its owner's work."""
        with self._lock:
            self._made = None


class ProcessWide(Generic[T]):
    """An object with a beginning and an end, such as a pool of connections: opened once, borrowed, closed.

    Unlike a `Singleton` it is not made by asking for it: one that was made too early or after the end would have nobody
    to close it. The functions that open, lend and close it are the public ones, in `lifecycle.py` of its package.

    Attributes:
        value: The object, between its opening and its closing. A test may put one of its own here.
    """

    def __init__(self, subject: str, *, init: str, close: str) -> None:
        """Hold nothing yet.

        Args:
            subject: What it is, with its verb, as in "The cache is": how errors begin.
            init: The call that opens it, as in "init_cache(settings)".
            close: The call that closes it.
        """
        self.value: T | None = None
        self._subject = subject
        self._init = init
        self._close = close
        self._lock = threading.Lock()

    def open(self, make: Callable[[], T]) -> T:
        """Make the object.

        Args:
            make: Called unless there is one already; if it raises, there is none.

        Raises:
            ConfigurationError: There is one already.
        """
        with self._lock:
            if self.value is not None:
                raise ConfigurationError(
                    f"{self._subject} initialised already.",
                    next_step=f"Call {self._close} before the next {self._init}.",
                )
            self.value = made = make()
        return made

    def get(self) -> T:
        """The object.

        Raises:
            ConfigurationError: There is none yet, or no longer.
        """
        value = self.value
        if value is None:
            raise ConfigurationError(f"{self._subject} not initialised.", next_step=f"Call {self._init} first.")
        return value

    def take(self) -> T | None:
        """Hand the object, if there is one, to whoever closes it; there is none from now on."""
        with self._lock:
            value, self.value = self.value, None
        return value
