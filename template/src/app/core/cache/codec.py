"""Values as JSON and back. Never pickle: reading a pickle runs the code that its writer put there."""

import json
from collections.abc import Mapping, Sequence
from datetime import date
from decimal import Decimal
from typing import Any, Final, TypeAlias
from uuid import UUID

from pydantic import BaseModel, TypeAdapter

from app.core.exceptions import CacheException

# The values that may be cached, as far as a type can say it; `encode()` is stricter.
Cacheable: TypeAlias = (
    bool | int | float | str | Sequence[object] | Mapping[str, object] | UUID | date | Decimal | BaseModel | None
)
# The values that come back without a model.
Json: TypeAlias = "bool | int | float | str | list[Json] | dict[str, Json] | None"

# By their types, which are those that the program names: making one costs more than many values.
_adapters: Final[dict[object, TypeAdapter[Any]]] = {}


def model_of(value: object) -> type[Any] | None:
    """Return the type that a value by itself is encoded with; None for plain JSON."""
    return type(value) if isinstance(value, UUID | date | Decimal | BaseModel) else None


def encode(value: object, model: type[Any] | None) -> tuple[bytes, object]:
    """Return a value as JSON, and as it comes back.

    A value that would come back as something else is refused, such as a tuple, a set, or a dict whose keys are no
    strings: the caller who loaded it would otherwise see another value than the next.

    Raises:
        CacheException: It would. The message names the type and never the value.
    """
    try:
        if model is None:
            # surrogatepass: half a surrogate pair, which JSON can carry, comes back as it was.
            text = json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
            data = text.encode("utf-8", "surrogatepass")
        else:
            data = _adapter(model).dump_json(value, by_alias=True, round_trip=True, warnings="error")
        back = decode(data, model)
        same = bool(back == value)
    except (TypeError, ValueError, RuntimeError):
        same = False
    if not same:
        # Here, where no error is handled: the message of the original may hold the value.
        raise CacheException(
            f"A {type(value).__name__} cannot be cached: it would not come back as it is. Turn it into plain JSON, "
            "or name a type of Pydantic's with `model`."
        )
    return data, back


def decode(data: bytes, model: type[Any] | None) -> object:
    """Return a fresh value with every call.

    Raises:
        ValueError: The data is not JSON, or not of this model.
    """
    return json.loads(data) if model is None else _adapter(model).validate_json(data)


def _adapter(model: type[Any]) -> TypeAdapter[Any]:
    if model not in _adapters:
        _adapters[model] = TypeAdapter(model)
    return _adapters[model]
