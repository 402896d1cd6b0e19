"""Values as JSON and back. Never pickle: reading a pickle runs whatever whoever wrote it wanted to run."""

import json
from collections.abc import Mapping, Sequence
from typing import Final, TypeAlias

from app.core.exceptions import CacheException

# What may be cached, as far as a type can say it; `encode()` is stricter.
Cacheable: TypeAlias = "bool | int | float | str | Sequence[object] | Mapping[str, object] | None"
# What comes back.
Json: TypeAlias = "bool | int | float | str | list[Json] | dict[str, Json] | None"

_SCALARS: Final = (str, int, float, bool, type(None))
# Far below what the interpreter's own limit allows: a value must be readable from deeper in the stack than it was
# written from.
_MAX_DEPTH: Final = 100


def encode(value: object) -> bytes:
    """JSON that decodes to an equal value of the same types.

    Whatever JSON would quietly turn into something else is refused: tuples, keys that are no strings, subclasses
    such as enums. A first caller, who gets what was loaded, would otherwise see another value than the next.

    Raises:
        CacheException: The value is no plain JSON; the message names the type and never the value.
    """
    _check(value, 0)
    try:
        # surrogatepass: half a surrogate pair, which JSON can carry, comes back as it was.
        return json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode(
            "utf-8", "surrogatepass"
        )
    except ValueError:
        # `from None`: the message of the original may hold the value.
        raise CacheException("A number that is infinite, undefined or too long cannot be cached.") from None


def decode(data: bytes) -> Json:
    """A fresh value with every call.

    Raises:
        ValueError: This is nothing that `encode()` has made.
    """
    value: Json = json.loads(data)
    return value


def _check(value: object, depth: int) -> None:
    kind = type(value)
    if kind in _SCALARS:
        return
    if depth >= _MAX_DEPTH:
        raise CacheException(f"A {kind.__name__} nested deeper than {_MAX_DEPTH} levels, or in itself, is not cached.")
    if isinstance(value, list) and kind is list:
        for item in value:
            _check(item, depth + 1)
    elif isinstance(value, dict) and kind is dict:
        for key, item in value.items():
            if type(key) is not str:
                raise CacheException(f"A dict to be cached has strings as keys, not {type(key).__name__}.")
            _check(item, depth + 1)
    else:
        raise CacheException(
            f"A {kind.__name__} cannot be cached: turn it into plain JSON first, such as with "
            "model_dump(mode='json') or dict(), list() and str()."
        )
