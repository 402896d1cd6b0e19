"""Types for schemas: pages, and values of which those that cannot be stored or read back are refused at the edge.

Text has no NUL and no half characters, JSON has finite numbers and a bounded depth, moments have an offset and years
that every part can calculate with. A plain `str` has no such rule: it is for what a pattern restricts, and for answers.
"""

import math
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Annotated, Final, Generic, TypeVar
from uuid import UUID

from pydantic import (
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

T = TypeVar("T")

# Pydantic cannot write values that are some 250 levels deep, and no form is.
_MAX_DEPTH: Final = 32
_EARLIEST: Final = datetime(1900, 1, 1, tzinfo=UTC)
_LATEST: Final = datetime(2200, 1, 1, tzinfo=UTC)


class Input(BaseModel):
    """Values of a request; one that no field names is refused."""

    model_config = ConfigDict(extra="forbid")


class Page(BaseModel, Generic[T]):
    """A page of results, of which the next one begins after a key, so that each costs the same."""

    items: Sequence[T]
    next_cursor: UUID | None = Field(description="Pass as `cursor` to get the next page; null on the last one.")


def _storable(value: object, depth: int = 0) -> object:
    """Check before Pydantic does, which names the whole path to a value that is too deep."""
    if depth > _MAX_DEPTH:
        raise ValueError(f"must not be nested more than {_MAX_DEPTH} levels deep")
    match value:
        case str():
            # PostgreSQL text and jsonb hold every character but this one (documentation, 8.3 and 8.14).
            if "\0" in value:
                raise ValueError("must not contain the NUL character")
            value.encode()  # A ValueError for half a character, which UTF-8 does not have.
        case float() if not math.isfinite(value):
            raise ValueError("must not contain NaN or infinity, which JSON does not have")
        case list():
            for each in value:
                _storable(each, depth + 1)
        case dict():
            _storable([*value, *value.values()], depth)
    return value


def _written(pattern: str, value: CoreSchema, rule: str) -> GetPydanticSchema:
    """Return the rule of a value that JSON has as text of this pattern: Pydantic would take a number for a moment, too.

    It is compiled code: Python functions would take longer.
    """
    text = core_schema.str_schema(pattern=pattern, max_length=64)
    schema = core_schema.custom_error_schema(
        core_schema.chain_schema([text, value]), custom_error_type="written", custom_error_message=rule
    )
    return GetPydanticSchema(lambda _source, _handler: schema)


# After all keys there are: a listing begins with the newest.
END: Final = UUID(int=2**128 - 1)
Cursor = Annotated[UUID, Field(description="`next_cursor` of the page before; the first page unless given.")]
PageSize = Annotated[int, Field(ge=1, le=100, description="The largest number of results.")]
# Fields with a description of their own say so, too: it replaces this one.
Line = Annotated[
    str,
    StringConstraints(strip_whitespace=True, min_length=1, max_length=200),
    BeforeValidator(_storable),
    Field(description="One line; whitespace around it is removed."),
]
LongText = Annotated[str, StringConstraints(max_length=20_000), BeforeValidator(_storable)]
Secret = Annotated[SecretStr, BeforeValidator(_storable)]
JsonObject = Annotated[dict[str, JsonValue], BeforeValidator(_storable)]
Moment = Annotated[
    datetime,
    _written(
        r"^[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt ]",  # as RFC 3339, 5.6 begins one
        core_schema.datetime_schema(tz_constraint="aware", ge=_EARLIEST, le=_LATEST),
        "must be a date and a time with its offset, such as 2030-01-31T12:00:00Z, between the years 1900 and 2200",
    ),
    WithJsonSchema({"type": "string", "format": "date-time", "examples": ["2040-01-31T12:00:00Z"]}),
]
