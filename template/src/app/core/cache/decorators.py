"""Functions whose results are kept: `@cached` in the process's cache, `@request_cached` for one request."""

import functools
import inspect
from asyncio import Future
from collections.abc import Callable, Coroutine, Hashable
from contextvars import ContextVar, Token
from typing import Any, ParamSpec, TypeAlias, TypeVar

from app.core.cache.encoding import make_key
from app.core.cache.store import T, get_or_set, run_once

P = ParamSpec("P")
R = TypeVar("R")
AsyncFunction: TypeAlias = Callable[P, Coroutine[Any, Any, R]]


def cached(
    ttl: float | None, key: str, *, model: type[Any] | None = None
) -> Callable[[AsyncFunction[P, T]], AsyncFunction[P, T]]:
    """Keep what an asynchronous function returns; concurrent calls with one key run it once.

        @cached(ttl=60, key="profile:{user_id}", model=ProfileCard)
        async def profile_card(session: ReadSession, user_id: UUID) -> ProfileCard: ...

        await cache.delete(cache.make_key("profile", user_id))

    Each value that changes the result must be in the key: a function that answers differently for each user, with a
    key that does not name the user, hands one user's answer to another.

    Args:
        ttl: Seconds a result is kept; None: the cache's default.
        key: Words and `{parameters}` between colons, of which `make_key()` makes the key. Start it with a name of its
            own.
        model: The type of the results, where it is not plain JSON; see `cache.get()`.

    Raises:
        ValueError: A part of the key is neither a word nor a parameter.
    """
    parts = key.split(":")

    def decorate(function: AsyncFunction[P, T]) -> AsyncFunction[P, T]:
        signature = inspect.signature(function)
        for part in parts:
            # Two parameters in one part would make ("a", "b-c") and ("a-b", "c") the same key.
            if ("{" in part or "}" in part) and part not in {"{" + name + "}" for name in signature.parameters}:
                raise ValueError(f"a part of a cache key is a word or a parameter in braces, not {part!r}")

        @functools.wraps(function)
        async def call(*args: P.args, **kwargs: P.kwargs) -> T:
            bound = signature.bind(*args, **kwargs)
            bound.apply_defaults()
            name = make_key(*(bound.arguments[part[1:-1]] if part.startswith("{") else part for part in parts))
            return await get_or_set(name, lambda: function(*args, **kwargs), ttl=ttl, model=model)

        return call

    return decorate


class RequestCache:
    """`with RequestCache(): …` is one request; the middleware opens it.

    The tasks that are started inside share it. Once it has ended, a task that lives on runs its functions anew.
    """

    _token: "Token[RequestCache | None]"
    results: dict[Hashable, Future[Any]] | None

    def clear(self) -> None:
        """Keep nothing of what ran so far."""
        self.results = {}

    def __enter__(self) -> "RequestCache":
        self.clear()
        self._token = _current.set(self)
        return self

    def __exit__(self, *_error: object) -> None:
        self.results = None
        _current.reset(self._token)


# The default is nothing at all: a dict here would be one that every request shares.
_current: ContextVar[RequestCache | None] = ContextVar("request_cache", default=None)


def request_cached(key_fn: Callable[..., Hashable]) -> Callable[[AsyncFunction[P, R]], AsyncFunction[P, R]]:
    """Run an asynchronous function once per request and key; outside of a request it simply runs.

    All callers in a request get the same object. Exceptions are not kept: the next call tries again.

    Args:
        key_fn: Takes the function's arguments (a method's `self`, too) and returns what tells calls apart.
    """

    def decorate(function: AsyncFunction[P, R]) -> AsyncFunction[P, R]:
        @functools.wraps(function)
        async def call(*args: P.args, **kwargs: P.kwargs) -> R:
            cache = _current.get()
            if cache is None or cache.results is None:
                return await function(*args, **kwargs)
            key = (function, key_fn(*args, **kwargs))
            result: R = await run_once(cache.results, key, lambda: function(*args, **kwargs), keep=True)
            return result

        return call

    return decorate
