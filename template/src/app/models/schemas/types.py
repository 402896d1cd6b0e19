"""Building blocks for schemas: what PostgreSQL cannot store is refused at the edge, with the rule."""

import math
import re
from datetime import datetime
from typing import Annotated, Any

from pydantic import AfterValidator, AwareDatetime, BeforeValidator, JsonValue, StringConstraints

# PostgreSQL text and jsonb hold every character but this one (documentation, 8.3 and 8.14).
_NUL = "\x00"
# How RFC 3339, 5.6 begins a moment. Pydantic alone would also take a number for one, in seconds or in milliseconds.
_DATE_AND_TIME = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt ]")


def _storable(text: str) -> str:
    if _NUL in text:
        raise ValueError("must not contain the NUL character")
    if not text.isascii() and any("\ud800" <= character <= "\udfff" for character in text):
        raise ValueError("must not contain half a character (an unpaired surrogate), which UTF-8 does not have")
    return text


def _storable_json(value: dict[str, JsonValue]) -> dict[str, JsonValue]:
    pending: list[Any] = [value]
    while pending:
        match pending.pop():
            case str() as text:
                _storable(text)
            case float() as number if not math.isfinite(number):
                raise ValueError("must not contain NaN or infinity, which JSON does not have")
            case list() as values:
                pending.extend(values)
            case dict() as members:
                pending.extend(members)
                pending.extend(members.values())
    return value


def _written_out(value: object) -> object:
    if isinstance(value, datetime) or (isinstance(value, str) and _DATE_AND_TIME.match(value)):
        return value
    raise ValueError("must be a date and a time with its offset, such as 2030-01-31T12:00:00Z")


Line = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=200), AfterValidator(_storable)]
LongText = Annotated[str, StringConstraints(max_length=20_000), AfterValidator(_storable)]
JsonObject = Annotated[dict[str, JsonValue], AfterValidator(_storable_json)]
Moment = Annotated[AwareDatetime, BeforeValidator(_written_out)]
