"""`@cached`: an asynchronous function whose results are kept in the process's cache.

    @cached(ttl=60, key="profile:{user_id}")
    async def profile_card(session: ReadSession, user_id: UUID) -> ProfileCard: ...

    await profile_card(session, user_id)
    await profile_card.invalidate(session, user_id)

The results are plain JSON, and every caller gets a copy.
"""

import functools
import inspect
from collections.abc import Callable, Coroutine
from typing import Any, Concatenate, Generic, ParamSpec, TypeVar, overload

from app.core.cache import door
from app.core.cache.codec import Cacheable
from app.core.cache.keys import parse_template

P = ParamSpec("P")
Q = ParamSpec("Q")
S = TypeVar("S")
T = TypeVar("T", bound=Cacheable)
KeyFunction = Callable[..., str]


class CachedFunction(Generic[P, T]):
    """A function that is called like the original and whose results are kept.

    On a class it is a method: results are shared by all instances unless the key tells these apart.
    """

    def __init__(
        self,
        function: Callable[P, Coroutine[Any, Any, T]],
        *,
        key_function: KeyFunction,
        ttl: float | None,
        load_timeout: float | None,
    ) -> None:
        functools.update_wrapper(self, function)
        self._function = function
        self._key_function = key_function
        self._ttl = ttl
        self._load_timeout = load_timeout

    async def __call__(self, *args: P.args, **kwargs: P.kwargs) -> T:
        """The cached result for these arguments, else what the function returns."""
        return await door.get_or_set(
            self.key(*args, **kwargs),
            lambda: self._function(*args, **kwargs),
            ttl=self._ttl,
            load_timeout=self._load_timeout,
        )

    def key(self, *args: P.args, **kwargs: P.kwargs) -> str:
        """The key that a call with these arguments uses."""
        return self._key_function(*args, **kwargs)

    async def invalidate(self, *args: P.args, **kwargs: P.kwargs) -> None:
        """Forget the result for these arguments. Call it after the commit; see `Cache.delete()`."""
        await door.delete(self.key(*args, **kwargs))

    @overload
    def __get__(self, instance: None, owner: type) -> "CachedFunction[P, T]": ...
    @overload
    def __get__(
        self: "CachedFunction[Concatenate[S, Q], T]", instance: S, owner: type | None = None
    ) -> "CachedFunction[Q, T]": ...
    def __get__(self, instance: object, owner: type | None = None) -> "CachedFunction[..., T]":
        """The method of an instance, bound as a function's would be."""
        if instance is None:
            return self
        function: Callable[..., Coroutine[Any, Any, T]] = self._function
        return CachedFunction(
            functools.partial(function, instance),
            key_function=functools.partial(self._key_function, instance),
            ttl=self._ttl,
            load_timeout=self._load_timeout,
        )


def cached(
    ttl: float | None, key: str | KeyFunction, *, load_timeout: float | None = None
) -> Callable[[Callable[P, Coroutine[Any, Any, T]]], CachedFunction[P, T]]:
    """Keep what an asynchronous function returns; concurrent calls with one key run it once.

    Whatever changes the result must be in the key: a function that answers differently for each user, with a key
    that does not name the user, hands one user's answer to another.

    Args:
        ttl: Seconds a result is kept; None: the cache's default.
        key: A template over the function's parameters, whose values are quoted so that any of them makes a valid
            key of its own; or a function that takes the same arguments and returns the key. Start it with a name
            of its own: the key alone tells functions apart.
        load_timeout: Seconds the function may take; the cache's default unless given.

    Raises:
        TypeError: The function is not asynchronous.
        ValueError: The template names something that is no parameter, or is ambiguous.
    """

    def decorate(function: Callable[P, Coroutine[Any, Any, T]]) -> CachedFunction[P, T]:
        require_async(function, "cached")
        key_function = _from_template(key, function) if isinstance(key, str) else key
        return CachedFunction(function, key_function=key_function, ttl=ttl, load_timeout=load_timeout)

    return decorate


def require_async(function: Callable[..., object], decorator: str) -> None:
    """Refuse what cannot be awaited, where it is decorated and not where it is called.

    Raises:
        TypeError: The function is not asynchronous.
    """
    if not inspect.iscoroutinefunction(function):
        raise TypeError(f"@{decorator} is for `async def` functions; put it below @classmethod and @staticmethod")


def _from_template(template: str, function: Callable[..., object]) -> KeyFunction:
    names, make = parse_template(template)
    signature = inspect.signature(function)
    if unknown := sorted(names - signature.parameters.keys()):
        raise ValueError(f"the key template names {', '.join(unknown)}, which is no parameter of the function")

    def key(*args: object, **kwargs: object) -> str:
        bound = signature.bind(*args, **kwargs)
        bound.apply_defaults()
        return make(bound.arguments)

    return key
