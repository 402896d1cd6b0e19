"""Values that are expensive to get, kept for a while as JSON.

    from app.core import cache

    rates = await cache.get_or_set(cache.make_key("rates", day), load_rates, ttl=3600)

`cache` and `@cached` keep copies for all requests of the process (of all processes with a shared backend, which may be
away: reading is then a miss, writing and deleting do nothing, and the loader answers). `@request_cached` keeps the
object itself for the tasks of one request, `TTLCache` for the threads of one process.
"""

import asyncio
import functools
import random
from collections.abc import Awaitable, Callable, Coroutine, Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from hashlib import blake2b
from typing import Any, Final, ParamSpec, TypeVar, cast, overload
from uuid import UUID

from pydantic import BaseModel, TypeAdapter

from app.core.cache.memory import CacheBackend, CacheUnavailableError, RequestCache, TTLCache, request_cached, run_once
from app.core.config.process import CacheSettings
from app.core.exceptions import CacheException
from app.core.logging import get_logger
from app.core.process import get_object
from app.core.telemetry import Counter

P = ParamSpec("P")
R = TypeVar("R")

logger = get_logger(__name__)

READS: Final = Counter("app_cache_reads_total", "Reads of the cache: a hit, or a miss.", "outcome")
_MAX_KEY_LENGTH: Final = 512


@dataclass(frozen=True, kw_only=True)
class Cache:
    """The values of a process, or its part of those that processes share.

    Attributes:
        backend: The place where they are kept.
        namespace: In front of every key: tells applications apart, and releases that cache values in another shape.
        default_ttl: Seconds a value is kept unless a call says otherwise.
        ttl_jitter: The part of each time (0 to 1) that is random, so that not all values expire together.
        flights: The loads that are under way.
    """

    backend: CacheBackend
    namespace: str
    default_ttl: float
    ttl_jitter: float = 0.1
    flights: dict[str, asyncio.Future[bytes]] = field(default_factory=dict)

    async def read(self, name: str, model: object) -> tuple[Any] | None:
        """Return a copy of the value that is kept under a name, in a tuple; None for a miss."""
        with suppress(CacheUnavailableError):
            data = await self.backend.get(name)
            READS.add("miss" if data is None else "hit")
            try:
                return None if data is None else (_decode(data, model),)
            except ValueError:
                logger.warning("a cached value is of another shape and counts as missing", key=name)
        return None

    async def write(self, name: str, data: bytes, ttl: float | None) -> None:
        """Keep a value for its time, jitter included."""
        lifetime = self.default_ttl if ttl is None else ttl
        lifetime *= 1 - self.ttl_jitter * random.random()  # noqa: S311 — guessing it gains nothing
        with suppress(CacheUnavailableError):
            await self.backend.set(name, data, ttl=lifetime)


def make_cache(settings: CacheSettings, *, application_name: str, backend: CacheBackend | None = None) -> Cache:
    """Return a cache of the settings, in memory unless a backend is given."""
    return Cache(
        backend=backend or CacheBackend(max_entries=settings.max_entries),
        namespace=f"{settings.key_prefix or application_name}:",
        default_ttl=settings.default_ttl_seconds,
    )


def make_key(*parts: str | float | UUID | date | None) -> str:
    """Return a key of any values, a caller's input included; different values make different keys."""
    key = ":".join(map(repr, parts))
    if len(key) > _MAX_KEY_LENGTH:
        return f"{key[:96]}#{blake2b(key.encode(), digest_size=32).hexdigest()}"
    return key


@overload
async def get(key: str) -> Any: ...  # noqa: ANN401 — what the JSON holds
@overload
async def get(key: str, *, model: type[R]) -> R | None: ...
async def get(key: str, *, model: object = None) -> object:
    """Return a fresh copy of the value, or None if there is none.

    Args:
        key: Any text; `make_key()` makes one of a caller's input.
        model: The type of a value that is not plain JSON, such as a Pydantic model. One that does not fit is a miss.
    """
    cache = get_object(Cache)
    found = await cache.read(cache.namespace + key, model)
    return None if found is None else found[0]


async def set(key: str, value: object, *, ttl: float | None = None) -> None:  # noqa: A001 — read as cache.set()
    """Keep a value for so many seconds: JSON, or what `get()` reads back with `model`; CacheException for any other."""
    cache = get_object(Cache)
    name = cache.namespace + key
    data = _encode(value)
    # A load that began earlier would overwrite this with something older.
    cache.flights.pop(name, None)
    await cache.write(name, data, ttl)


async def delete(key: str) -> None:
    """Forget a value, and do not store what is being loaded; before the commit, the old one may be loaded again."""
    await delete_many((key,))


async def delete_many(keys: Iterable[str]) -> None:
    """Forget values; see `delete()`."""
    cache = get_object(Cache)
    names = [cache.namespace + key for key in keys]
    for name in names:
        cache.flights.pop(name, None)
    with suppress(CacheUnavailableError):
        await cache.backend.delete(names)


async def clear() -> None:
    """Forget all values in this application's namespace."""
    cache = get_object(Cache)
    cache.flights.clear()
    with suppress(CacheUnavailableError):
        await cache.backend.clear(cache.namespace)


async def get_or_set(
    key: str, loader: Callable[[], Awaitable[R]], *, ttl: float | None = None, model: type[R] | None = None
) -> R:
    """Return a copy of the cached value; else of what the loader returns, None included, which is kept.

    However many ask for a key at the same time, one loader runs (`run_once()`). Its error goes to all of them, and the
    next call loads anew. `ttl` is in seconds; for `key` and `model` see `get()`, for what may be kept `set()`.
    """
    cache = get_object(Cache)
    name = cache.namespace + key
    if (found := await cache.read(name, model)) is not None:
        return cast("R", found[0])

    async def load() -> bytes:
        flight = cache.flights[name]
        data = _encode(await loader(), model)
        if cache.flights.get(name) is flight:
            await cache.write(name, data, ttl)
        return data

    return cast("R", _decode(await run_once(cache.flights, name, load), model))


def cached(
    ttl: float | None, key: Callable[..., str], *, model: type[Any] | None = None
) -> Callable[[Callable[P, Coroutine[Any, Any, R]]], Callable[P, Coroutine[Any, Any, R]]]:
    """Keep what an asynchronous function returns; concurrent calls with one key run it once.

        @cached(ttl=60, key=lambda _session, user_id: cache.make_key("profile", user_id), model=ProfileCard)
        async def profile_card(session: ReadSession, user_id: UUID) -> ProfileCard: ...

        await cache.delete(cache.make_key("profile", user_id))

    Each value that changes the result must be in the key: a function that answers differently for each user, with a
    key that does not name the user, hands one user's answer to another.

    Args:
        ttl: Seconds a result is kept; None: the cache's default.
        key: Takes the function's arguments and returns the key, which starts with a name of its own.
        model: The type of the results, where it is not plain JSON; see `get()`.
    """

    def decorate(function: Callable[P, Coroutine[Any, Any, R]]) -> Callable[P, Coroutine[Any, Any, R]]:
        @functools.wraps(function)
        async def call(*args: P.args, **kwargs: P.kwargs) -> R:
            return await get_or_set(key(*args, **kwargs), lambda: function(*args, **kwargs), ttl=ttl, model=model)

        return call

    return decorate


def _encode(value: object, model: Any = None) -> bytes:  # noqa: ANN401 — any type that Pydantic reads
    """Return a value as JSON; CacheException if it would come back as something else, as a tuple does."""
    if model is None and isinstance(value, UUID | date | Decimal | BaseModel):
        model = type(value)
    with suppress(ValueError):
        data = _adapter(model).dump_json(value, by_alias=True, round_trip=True, warnings="error")
        if _decode(data, model) == value:
            return data
    # Here, where no error is handled: the message of the original may hold the value.
    raise CacheException(f"A {type(value).__name__} would not come back as it is: keep JSON, or name its `model`.")


def _decode(data: bytes, model: Any) -> Any:  # noqa: ANN401 — what the JSON holds
    return _adapter(model).validate_json(data)


@functools.lru_cache
def _adapter(model: Any) -> TypeAdapter[Any]:  # noqa: ANN401
    return TypeAdapter(Any if model is None else model)
