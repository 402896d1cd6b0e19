"""Keys as text, and values as JSON. Never pickle: reading a pickle runs the code that its writer put there."""

import json
from collections.abc import Mapping, Sequence
from datetime import date
from decimal import Decimal
from functools import lru_cache
from hashlib import blake2b
from typing import Any, Final, TypeAlias
from urllib.parse import quote
from uuid import UUID

from pydantic import BaseModel, TypeAdapter

from app.core.exceptions import CacheException

# The values that may be cached, as far as a type can say it.
Cacheable: TypeAlias = (
    bool | int | float | str | Sequence[object] | Mapping[str, object] | UUID | date | Decimal | BaseModel | None
)

_MAX_KEY_LENGTH: Final = 512


def make_key(*parts: str | float | UUID | date | None) -> str:
    """Return a key of any values, a caller's input included; different values make different keys.

    Text is percent-encoded, everything else is marked by `!`; a key that would be too long ends in a hash.

    Raises:
        CacheException: A part is of a type that does not identify anything, such as a session.
    """
    key = ":".join(_quote(part) for part in parts)
    if len(key) > _MAX_KEY_LENGTH:
        return f"{key[:96]}#{blake2b(key.encode(), digest_size=32).hexdigest()}"
    return key


def _quote(part: object) -> str:
    if isinstance(part, str):
        return quote(part, safe="", errors="surrogatepass")
    if part is None or isinstance(part, int | float | UUID | date):
        return f"!{part}"
    raise CacheException(f"A {type(part).__name__} cannot be part of a cache key: use an identifier of it.")


def encode(value: object, model: Any = None) -> tuple[bytes, Any]:  # noqa: ANN401 — any type that Pydantic reads
    """Return a value as JSON, and as it comes back.

    Raises:
        CacheException: It would come back as something else, as a tuple or a dict whose keys are no strings do.
    """
    if model is None and isinstance(value, UUID | date | Decimal | BaseModel):
        model = type(value)
    try:
        if model is None:
            data = json.dumps(value, allow_nan=False, separators=(",", ":")).encode()
        else:
            data = _adapter(model).dump_json(value, by_alias=True, round_trip=True, warnings="error")
        back = decode(data, model)
        same = bool(back == value)
    except (TypeError, ValueError, RecursionError):
        same = False
    if not same:
        # Here, where no error is handled: the message of the original may hold the value.
        raise CacheException(
            f"A {type(value).__name__} cannot be cached: it would not come back as it is. Turn it into plain JSON, "
            "or name a type of Pydantic's with `model`."
        )
    return data, back


def decode(data: bytes, model: Any = None) -> Any:  # noqa: ANN401 — what the JSON holds
    """Return a fresh value with every call; ValueError for data that is not JSON, or not of this model."""
    return json.loads(data) if model is None else _adapter(model).validate_json(data)


@lru_cache
def _adapter(model: Any) -> TypeAdapter[Any]:  # noqa: ANN401
    return TypeAdapter(model)
