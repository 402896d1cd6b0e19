"""Types for schemas: values that cannot be stored or read back are refused at the edge.

Text has no NUL and no half characters, JSON has finite numbers and a bounded depth, moments have an offset and years
that every part can calculate with. A plain `str` has no such rule: it is for what a pattern restricts, and for answers.
"""

import math
import sys
import unicodedata
from datetime import UTC, datetime
from typing import Annotated, Any, Final

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    GetCoreSchemaHandler,
    JsonValue,
    SecretStr,
    StringConstraints,
    WithJsonSchema,
)
from pydantic_core import CoreSchema, core_schema

# PostgreSQL text and jsonb hold every character but this one (documentation, 8.3 and 8.14).
_NUL: Final = "\x00"
# Pydantic cannot write values that are some 250 levels deep, and no form is.
_MAX_DEPTH: Final = 32
# Readers take numbers for doubles (RFC 8259, 6): beyond these they would read infinity.
_LARGEST: Final = int(sys.float_info.max)
_EARLIEST: Final = datetime(1900, 1, 1, tzinfo=UTC)
_LATEST: Final = datetime(2200, 1, 1, tzinfo=UTC)


class Input(BaseModel):
    """Values of a request; one that no field names is refused."""

    model_config = ConfigDict(extra="forbid")


def _storable(text: str) -> str:
    if _NUL in text:
        raise ValueError("must not contain the NUL character")
    if not text.isascii() and any("\ud800" <= character <= "\udfff" for character in text):
        raise ValueError("must not contain half a character (an unpaired surrogate), which UTF-8 does not have")
    return text


def _storable_json(value: object) -> object:
    """Check before Pydantic does, which names the whole path to a value that is too deep."""
    pending: list[tuple[Any, int]] = [(value, 0)]
    while pending:
        part, depth = pending.pop()
        if depth > _MAX_DEPTH:
            raise ValueError(f"must not be nested more than {_MAX_DEPTH} levels deep")
        match part:
            case str():
                _storable(part)
            case float() if not math.isfinite(part):
                raise ValueError("must not contain NaN or infinity, which JSON does not have")
            case int() if abs(part) > _LARGEST:
                raise ValueError("must not contain a number beyond 1.8e308, which readers would take for infinity")
            case list():
                pending.extend((each, depth + 1) for each in part)
            case dict():
                pending.extend((each, depth + 1) for member in part.items() for each in member)
    return value


def composed(value: object) -> object:
    """Give characters their composed form (NFC), however they were typed; other values stay as they are."""
    return unicodedata.normalize("NFC", value) if isinstance(value, str) else value


class _Moment:
    """The rules of a moment, in compiled code: Python functions, called ten thousand times, would take longer."""

    def __get_pydantic_core_schema__(self, _source: object, _handler: GetCoreSchemaHandler) -> CoreSchema:
        # The pattern is how RFC 3339, 5.6 begins a moment. Without it, a number would do: seconds for one reader,
        # milliseconds for another.
        return core_schema.custom_error_schema(
            core_schema.chain_schema(
                [
                    core_schema.str_schema(pattern=r"^[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt ]", max_length=64),
                    core_schema.datetime_schema(tz_constraint="aware", ge=_EARLIEST, le=_LATEST),
                ]
            ),
            custom_error_type="moment",
            custom_error_message="must be a date and a time with its offset, such as 2030-01-31T12:00:00Z, "
            "between the years 1900 and 2200",
        )


# Fields with a description of their own say so, too: it replaces this one.
Line = Annotated[
    str,
    StringConstraints(strip_whitespace=True, min_length=1, max_length=200),
    AfterValidator(_storable),
    Field(description="One line; whitespace around it is removed."),
]
LongText = Annotated[str, StringConstraints(max_length=20_000), AfterValidator(_storable)]
Secret = Annotated[SecretStr, AfterValidator(lambda secret: SecretStr(_storable(secret.get_secret_value())))]
JsonObject = Annotated[dict[str, JsonValue], BeforeValidator(_storable_json)]
Moment = Annotated[datetime, _Moment(), WithJsonSchema({"type": "string", "format": "date-time"})]
