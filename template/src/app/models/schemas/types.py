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
    GetPydanticSchema,
    JsonValue,
    SecretStr,
    StringConstraints,
    WithJsonSchema,
)
from pydantic_core import CoreSchema, core_schema

# PostgreSQL text and jsonb hold every character but this one (documentation, 8.3 and 8.14).
_NUL: Final = "\x00"
_LINE_LENGTH: Final = 200
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


def _written(pattern: str, value: CoreSchema, rule: str) -> GetPydanticSchema:
    """Return the rules of a value that JSON has as text, in compiled code: Python functions would take longer.

    Args:
        pattern: How it is written. Without one, a number would do for a moment: seconds for one reader, milliseconds
            for another.
        value: What it is then.
        rule: Both, as a caller reads it.
    """
    text = core_schema.str_schema(pattern=pattern, max_length=64)
    schema = core_schema.custom_error_schema(
        core_schema.chain_schema([text, value]), custom_error_type="written", custom_error_message=rule
    )
    return GetPydanticSchema(lambda _source, _handler: schema)


def _short(value: object) -> object:
    """Refuse what is too long as it was sent, as the document says: Pydantic removes whitespace first."""
    if isinstance(value, str) and len(value) > _LINE_LENGTH:
        raise ValueError(f"must have at most {_LINE_LENGTH} characters, whitespace around it included")
    return value


# Fields with a description of their own say so, too: it replaces this one.
Line = Annotated[
    str,
    StringConstraints(strip_whitespace=True, min_length=1, max_length=_LINE_LENGTH),
    AfterValidator(_storable),
    BeforeValidator(_short),
    Field(description="One line; whitespace around it is removed."),
]
LongText = Annotated[str, StringConstraints(max_length=20_000), AfterValidator(_storable)]
Secret = Annotated[SecretStr, AfterValidator(lambda secret: SecretStr(_storable(secret.get_secret_value())))]
JsonObject = Annotated[dict[str, JsonValue], BeforeValidator(_storable_json)]
Moment = Annotated[
    datetime,
    _written(
        r"^[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt ]",  # as RFC 3339, 5.6 begins one
        core_schema.datetime_schema(tz_constraint="aware", ge=_EARLIEST, le=_LATEST),
        "must be a date and a time with its offset, such as 2030-01-31T12:00:00Z, between the years 1900 and 2200",
    ),
    WithJsonSchema({"type": "string", "format": "date-time", "examples": ["2040-01-31T12:00:00Z"]}),
]
