"""`@request_cached`: an asynchronous function that runs once per request for the same key.

    @request_cached(lambda session, user_id: user_id)
    async def load_permissions(session: ReadSession, user_id: UUID) -> Permissions: ...

Its results are kept as they are, for as long as the request lasts, and nobody else sees them.
"""

import functools
from collections.abc import Awaitable, Callable, Coroutine, Hashable
from contextvars import ContextVar, Token
from types import TracebackType
from typing import Any, ParamSpec, TypeVar, cast

from app.core.cache.decorator import require_async
from app.core.cache.single_flight import SingleFlight

P = ParamSpec("P")
T = TypeVar("T")


class RequestCache:
    """`with RequestCache(): …` is one request; the middleware opens it, and a job may open one for itself.

    What runs inside shares it, tasks started from there included. Nothing is taken over from a request around it,
    and once it has ended it keeps nothing: a task that lives on runs its functions anew.
    """

    # A request that caches nothing pays for this object alone.
    __slots__ = ("_ended", "_flights", "_token", "_values")

    def __init__(self) -> None:
        self._ended = False
        self._values: dict[Hashable, object] | None = None
        self._flights: SingleFlight[object] | None = None
        self._token: Token[RequestCache | None] | None = None

    def __enter__(self) -> "RequestCache":
        self._token = _current.set(self)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._ended = True
        self._values = self._flights = None
        if self._token is not None:
            _current.reset(self._token)

    def clear(self) -> None:
        """Keep nothing of what ran so far, as if another request began."""
        self._values = self._flights = None

    @staticmethod
    def current() -> "RequestCache | None":
        """That of the request this code runs for; None outside of one, and when it has ended."""
        cache = _current.get()
        return None if cache is None or cache._ended else cache  # noqa: SLF001 — of the same class

    async def get_or_run(self, key: Hashable, function: Callable[[], Awaitable[object]]) -> object:
        """What the function returned for this key in this request, running it if it has not run yet."""
        if self._values is None or self._flights is None:
            self._values, self._flights = {}, SingleFlight()
        values = self._values
        if key in values:
            return values[key]

        async def run() -> object:
            # Into this request's own dict, which nobody looks into once the request has ended.
            value = values[key] = await function()
            return value

        return await self._flights.run(key, run)


# The default is nothing at all: a dict here would be one that every request shares.
_current: ContextVar[RequestCache | None] = ContextVar("request_cache", default=None)


def request_cached(
    key_fn: Callable[..., Hashable],
) -> Callable[[Callable[P, Coroutine[Any, Any, T]]], Callable[P, Coroutine[Any, Any, T]]]:
    """Run a function once per request and key; calls at the same time wait for the first.

    All callers in a request get the same object, not copies. Exceptions are not kept: the next call tries again.
    Outside of a request the function simply runs. Only asynchronous functions: one that computes without waiting
    needs no more than a local variable, and one that blocks belongs into `run_in_thread()`.

    Args:
        key_fn: Takes the function's arguments (a method's `self`, too) and returns what tells calls apart. Keys of
            different functions never meet.

    Raises:
        TypeError: The function is not asynchronous.
    """

    def decorate(function: Callable[P, Coroutine[Any, Any, T]]) -> Callable[P, Coroutine[Any, Any, T]]:
        require_async(function, "request_cached")

        @functools.wraps(function)
        async def call(*args: P.args, **kwargs: P.kwargs) -> T:
            cache = RequestCache.current()
            if cache is None:
                return await function(*args, **kwargs)
            key = (function, key_fn(*args, **kwargs))
            return cast("T", await cache.get_or_run(key, lambda: function(*args, **kwargs)))

        return call

    return decorate
