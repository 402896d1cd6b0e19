"""Asynchronous functions whose results are kept: `@cached` in the process's cache, `@request_cached` for one request.

@cached(ttl=60, key="profile:{user_id}", model=ProfileCard)
async def profile_card(session: ReadSession, user_id: UUID) -> ProfileCard: ...

await profile_card(session, user_id)
await cache.delete(cache.make_key("profile", user_id))

@request_cached(lambda session, user_id: user_id)
async def load_permissions(session: ReadSession, user_id: UUID) -> Permissions: ...

The results of the first are copies, those of the second the objects themselves.
"""

import functools
import inspect
from collections.abc import Callable, Coroutine, Hashable
from contextvars import ContextVar, Token
from typing import Any, ParamSpec, TypeVar, cast

from app.core.cache.keys import parse_template
from app.core.cache.single_flight import SingleFlight
from app.core.cache.store import T, get_or_set

P = ParamSpec("P")
R = TypeVar("R")


def cached(
    ttl: float | None, key: str | Callable[..., str], *, model: type[Any] | None = None
) -> Callable[[Callable[P, Coroutine[Any, Any, T]]], Callable[P, Coroutine[Any, Any, T]]]:
    """Keep what an asynchronous function returns; concurrent calls with one key run it once.

    Each value that changes the result must be in the key: a function that answers differently for each user, with a
    key that does not name the user, hands one user's answer to another.

    Args:
        ttl: Seconds a result is kept; None: the cache's default.
        key: A template over the function's parameters, which makes the same key as `make_key()` of these parts; or a
            function that takes the same arguments and returns the key. Start it with a name of its own: the key
            alone tells functions apart, and methods of several instances.
        model: The type of the results, where it is not plain JSON; see `cache.get()`.

    Raises:
        TypeError: The function is not asynchronous.
        ValueError: The template names something that is no parameter, or is ambiguous.
    """

    def decorate(function: Callable[P, Coroutine[Any, Any, T]]) -> Callable[P, Coroutine[Any, Any, T]]:
        _require_async(function, "cached")
        make_key = parse_template(key, function) if isinstance(key, str) else key

        @functools.wraps(function)
        async def call(*args: P.args, **kwargs: P.kwargs) -> T:
            at = make_key(*args, **kwargs)
            return await get_or_set(at, lambda: function(*args, **kwargs), ttl=ttl, model=model)

        return call

    return decorate


class RequestCache:
    """`with RequestCache(): …` is one request; the middleware opens it, and a job may open one for itself.

    Code that runs inside shares it, tasks started from there included. Nothing is taken over from a request around
    it, and once it has ended it keeps nothing: a task that lives on runs its functions anew.
    """

    _token: "Token[RequestCache | None]"

    def __init__(self) -> None:
        self.ended = False
        self.clear()

    def clear(self) -> None:
        """Keep nothing of what ran so far, as if another request began."""
        self.results: dict[Hashable, object] = {}
        self.flights: SingleFlight[object] = SingleFlight()

    def __enter__(self) -> "RequestCache":
        self._token = _current.set(self)
        return self

    def __exit__(self, *_error: object) -> None:
        self.ended = True
        self.clear()
        _current.reset(self._token)


# The default is nothing at all: a dict here would be one that every request shares.
_current: ContextVar[RequestCache | None] = ContextVar("request_cache", default=None)


def request_cached(
    key_fn: Callable[..., Hashable],
) -> Callable[[Callable[P, Coroutine[Any, Any, R]]], Callable[P, Coroutine[Any, Any, R]]]:
    """Run a function once per request and key; calls at the same time wait for the first.

    All callers in a request get the same object, not copies. Exceptions are not kept: the next call tries again.
    Outside of a request the function simply runs. Only asynchronous functions: one that computes without waiting
    needs no more than a local variable, and one that blocks is a case for `run_in_thread()`.

    Args:
        key_fn: Takes the function's arguments (a method's `self`, too) and returns what tells calls apart. Keys of
            different functions never meet.

    Raises:
        TypeError: The function is not asynchronous.
    """

    def decorate(function: Callable[P, Coroutine[Any, Any, R]]) -> Callable[P, Coroutine[Any, Any, R]]:
        _require_async(function, "request_cached")

        @functools.wraps(function)
        async def call(*args: P.args, **kwargs: P.kwargs) -> R:
            cache = _current.get()
            if cache is None or cache.ended:
                return await function(*args, **kwargs)
            key = (function, key_fn(*args, **kwargs))
            # This request's own dict, which is not looked into once the request has ended.
            results = cache.results
            if key in results:
                return cast("R", results[key])

            async def run() -> object:
                results[key] = await function(*args, **kwargs)
                return results[key]

            return cast("R", await cache.flights.run(key, run))

        return call

    return decorate


def _require_async(function: Callable[..., object], decorator: str) -> None:
    """Refuse what cannot be awaited, where it is decorated and not where it is called."""
    if not inspect.iscoroutinefunction(function):
        raise TypeError(f"@{decorator} is for `async def` functions; put it below @classmethod and @staticmethod")
